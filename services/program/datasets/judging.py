"""Judges the rows of a file by a dataset's fields: each becomes a line, or faults with column and expectation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from ashgrove.program.v1 import dataset_pb2

from domain.signatures.field import Field
from domain.values import Json
from services.program.datasets.lines import SPLITS, Line, Lines
from services.program.schemas.checking import checker_of

_BOTH = ("inputs", "outputs")
_PLAIN = {"string": str, "integer": int}
_NESTED = {"string_list", "array", "object", "embedding", "token_list", "reasoning_chain", "tensor"}
_SPLIT = "split"
"""The column in which a row may name its split."""


class Fault(NamedTuple):
    """One thing wrong with a row: where, and in words what it must be."""

    row: int
    column: str
    expectation: str


def _plain_types(fields: Sequence[Field]) -> dict[str, type]:
    """Returns the types of fields whose values are kept as they come; nothing when there is one that asks for more."""
    types = {field.name: _PLAIN.get(field.kind) for field in fields if _bare(field) == Field(field.name, field.kind)}
    found = {name: kind for name, kind in types.items() if kind is not None}
    return found if len(found) == len(fields) else {}


def _bare(field: Field) -> Field:
    return replace(field, description="")


def _is_plain(types: Mapping[str, type], values: Mapping[str, Any]) -> bool:
    """Tells at a glance that values fit; what this does not see is looked at closely."""
    if types.keys() != values.keys():
        return False
    return all(_fits(types[name], value) for name, value in values.items())


def _fits(kind: type, value: Any) -> bool:
    if kind is str:
        return type(value) is str and "\x00" not in value and (value.isascii() or _is_whole(value))
    return type(value) is int and -(2**53) < value < 2**53


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


class Judge:
    """Judges rows for one dataset; `typed` and `nests` are what their reader says of them."""

    def __init__(
        self,
        dataset: dataset_pb2.Dataset,
        *,
        split: str = "",
        typed: bool = True,
        nests: bool = True,
        ignore_unknown: bool = False,
    ) -> None:
        self._lines = Lines(dataset)
        self._checkers = {"inputs": checker_of(dataset.input_fields), "outputs": checker_of(dataset.output_fields)}
        self._sides = {side: {f.name: f for f in checker.fields} for side, checker in self._checkers.items()}
        self._plain = {side: _plain_types(checker.fields) for side, checker in self._checkers.items()}
        self._known = self._sides["inputs"] | self._sides["outputs"]
        self._quick = typed and all(self._plain.values())
        """Whether a row of the declared columns, and no others, may be judged at a glance."""
        self._split = split
        self._typed, self._nests = typed, nests
        self._ignore = ignore_unknown

    def judged(self, number: int, row: Mapping[str, Any]) -> Line | list[Fault]:
        """Returns the line that a row makes, or everything that is wrong with it."""
        if self._quick and row.keys() == self._known.keys():
            inputs = {name: row[name] for name in self._plain["inputs"]}
            outputs = {name: row[name] for name in self._plain["outputs"]}
            if _is_plain(self._plain["inputs"], inputs) and _is_plain(self._plain["outputs"], outputs):
                return self._lines.line(self._split, inputs, outputs)
        sides, faults = self._divided(row)
        values: dict[str, dict[str, Json]] = {}
        for side, checker in self._checkers.items():
            if self._typed and _is_plain(self._plain[side], sides[side]):
                values[side] = sides[side]
                continue
            checked = checker.check(sides[side], side, lenient=not self._typed)
            values[side] = checked.values
            faults += [(v.path.removeprefix(f"{side}."), v.message) for v in checked.violations]
        split = self._split or self._named(row, faults)
        if faults:
            return [Fault(number, column[:200], told) for column, told in faults]
        return self._lines.line(split, values["inputs"], values["outputs"])

    def _named(self, row: Mapping[str, Any], faults: list[tuple[str, str]]) -> str:
        """Returns the split that a row names, if it names one."""
        if _SPLIT not in row or _SPLIT in self._known or row[_SPLIT] in ("", None):
            return ""
        found = SPLITS.get(str(row[_SPLIT]).lower(), "")
        if not found:
            faults.append((_SPLIT, f"must be one of {', '.join(SPLITS)}, or nothing"))
        return found

    def _divided(self, row: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], list[tuple[str, str]]]:
        """Returns inputs and outputs of a row, whichever way it is written, and what is wrong with the way."""
        if all(isinstance(row.get(side), dict) and side not in self._known for side in _BOTH):
            sides = {side: dict(row[side]) for side in _BOTH}
            if self._ignore:
                sides = {side: {k: v for k, v in sides[side].items() if k in self._sides[side]} for side in _BOTH}
            return sides, []
        sides = {
            side: {name: self._cell(field, row[name]) for name, field in fields.items() if self._given(name, row)}
            for side, fields in self._sides.items()
        }
        unknown = [column for column in row if column not in self._known and column != _SPLIT]
        told = f"is no column here; there are {', '.join(self._known)}"[:500]
        return sides, [] if self._ignore else [(str(column), told) for column in unknown]

    def _given(self, name: str, row: Mapping[str, Any]) -> bool:
        """Tells whether a row has a value; an empty cell of a table is none where there need not be any."""
        field = self._known[name]
        if self._nests or name not in row or not field.may_be_left_out:
            return name in row
        return row[name] != "" if not self._typed else row[name] is not None or field.nullable

    def _cell(self, field: Field, value: Any) -> Any:
        """Returns a value as its reader meant it: what a typed table has no column for is JSON text."""
        if self._nests or not self._typed or not isinstance(value, str) or field.kind not in _NESTED:
            return value
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
