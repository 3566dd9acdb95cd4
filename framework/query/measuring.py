"""What people write to be told what rows come to, such as `p95(latency_ms) as slow` by `day(created_at)`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from framework.errors import FieldViolation, InvalidFields
from framework.query.columns import Columns
from framework.query.grammar import LONGEST_PATH, NAME, STRING, unquoted
from framework.query.measures import FUNCTIONS, HISTOGRAM, UNITS, Function
from framework.query.sources import Source, number, source_of
from framework.resource import Kind
from framework.resource.fields import Field

MOST_BINS = 100
# What is inside JSON, behind a relationship or computed takes more SQL than a column: many of them cost more than they
# tell.
MOST_DEEP = 8
_DEFAULT_BINS = 10
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_PART = re.compile(rf"{STRING.pattern}|{NAME.pattern}", re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,4}")
_WORD = re.compile(r"\S{1,40}")


@dataclass(frozen=True)
class Measure:
    """One measure: of a value of each row or, without one, of whole rows; `result` is the field that it makes."""

    function: str
    source: Source | None
    result: Field
    bins: int = 0


@dataclass(frozen=True)
class Group:
    """What the rows of a group share: a value or, with a unit, the stretch of time it lies in."""

    unit: str
    source: Source
    result: Field


def measures_from(texts: Sequence[str], columns: Columns) -> list[Measure]:
    """Reads measures; raises InvalidFields naming `measures[i]`, the position and what would be right there."""
    measures = [_Reader(text, f"measures[{i}]", columns).measure() for i, text in enumerate(texts)]
    if sum(one.bins for one in measures) > MOST_BINS:
        raise InvalidFields(FieldViolation("measures", f"all histograms together have more than {MOST_BINS} bins"))
    if sum(one.source is not None and not one.source.plain for one in measures) > MOST_DEEP:
        raise InvalidFields(FieldViolation("measures", f"more than {MOST_DEEP} are of what is no column"))
    return measures


def groups_from(texts: Sequence[str], columns: Columns) -> list[Group]:
    """Reads group keys; raises InvalidFields naming `group_by[i]`, the position and what would be right there."""
    return [_Reader(text, f"group_by[{i}]", columns).group() for i, text in enumerate(texts)]


class _Reader:
    """Reads one text from left to right; each method consumes what it is named for."""

    def __init__(self, text: str, place: str, columns: Columns) -> None:
        self.text = text
        self.place = place
        self.columns = columns
        self.at = 0

    def measure(self) -> Measure:
        at, name = self.word("a measure")
        function = HISTOGRAM if name == "histogram" else FUNCTIONS.get(name)
        if function is None:
            raise self.refused(at, f"{name[:40]} is no measure; there are {', '.join([*FUNCTIONS, 'histogram'])}")
        self.expect("(")
        if name == "count" and self.take(")"):
            some = next(iter(self.columns.fields.values()))
            return Measure(name, None, function.result(self.end(name), some))
        source = self.measured(function, name)
        bins = self.bins() if name == "histogram" else 0
        self.expect(")")
        return Measure(name, source, function.result(self.end(f"{name}_{source.name}"), source.field), bins)

    def group(self) -> Group:
        start, (at, unit) = self.at, self.word("a field or a stretch of time")
        if not self.take("("):
            self.at = start
            source = self.source("a field or a stretch of time")
            return Group("", source, replace(source.field, name=self.end(source.name), computed=False))
        if unit not in UNITS:
            raise self.refused(at, f"{unit[:40]} is no stretch of time; there are {', '.join(UNITS)}")
        at = self.space()
        source = self.source("a time")
        if source.field.kind is not Kind.TIMESTAMP:
            raise self.refused(at, f"{source.name[:40]} is no time")
        self.expect(")")
        return Group(unit, source, replace(source.field, name=self.end(f"{unit}_{source.name}")))

    def measured(self, function: Function, name: str) -> Source:
        at = self.space()
        found = self.source("a field")
        source = number(found) if Kind.DOUBLE in function.takes and Kind.TEXT not in function.takes else found
        if source.field.kind not in function.takes:
            raise self.refused(
                at, f"{name} cannot measure {found.name[:40]}, which is of type {found.field.kind.value}"
            )
        return source

    def source(self, what: str) -> Source:
        """Unknown, hidden and sensitive fields answer alike."""
        at, path = self.space(), self.path(what)
        source = source_of(path, self.columns)
        if source is None:
            there = ", ".join(sorted(f.name for f in self.columns.fields.values() if f.comparable))
            told = ".".join(path)[:40]
            raise self.refused(at, f"{told} is no field to measure or to group by; there are {there}")
        return source

    def path(self, what: str) -> list[str]:
        names: list[str] = []
        while not names or self.text.startswith(".", self.at):
            self.at += 1 if names else 0
            at, part = self.at, self.match(_PART)
            if not part or len(names) >= LONGEST_PATH:
                raise self.refused(at, f"found {self.found()}; expected {what}")
            names.append(unquoted(part) if part[0] in "\"'" else part)
        return names

    def space(self) -> int:
        self.match(_SPACE)
        return self.at

    def bins(self) -> int:
        if not self.take(","):
            return _DEFAULT_BINS
        self.match(_SPACE)
        at, number = self.at, self.match(_NUMBER)
        if not number or not 1 <= int(number) <= MOST_BINS:
            raise self.refused(at, f"expected how many bins, 1 to {MOST_BINS}")
        return int(number)

    def end(self, name: str) -> str:
        """Returns what the result is called, as the text ends: its own name or the one given with `as`."""
        self.match(_SPACE)
        at, word = self.at, self.match(_NAME)
        if word == "as":
            _, name = self.word("a name")
            self.match(_SPACE)
            at, word = self.at, ""
        if word or self.at < len(self.text):
            self.at = at
            raise self.refused(at, f"found {self.found()}; expected `as` and a name, or the end")
        return name

    def word(self, what: str) -> tuple[int, str]:
        self.match(_SPACE)
        at, name = self.at, self.match(_NAME)
        if not name:
            raise self.refused(at, f"found {self.found()}; expected {what}")
        return at, name

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise self.refused(self.at, f"found {self.found()}; expected {mark}")

    def take(self, mark: str) -> bool:
        self.match(_SPACE)
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def found(self) -> str:
        found = _WORD.match(self.text, self.at)
        return found[0] if found else "the end"

    def refused(self, at: int, message: str) -> InvalidFields:
        return InvalidFields(FieldViolation(self.place, f"at position {at + 1}: {message}"))
