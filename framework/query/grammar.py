"""The grammar of filters, AIP-160: text becomes a tree of restrictions, or a refusal that says where and why."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from framework.errors import FieldViolation, InvalidFields

# A filter larger than this answers no question that a person asks, and costs more to plan than to run.
LONGEST = 4096
DEEPEST = 16
MOST_TERMS = 40
LONGEST_PATH = 8
MOST_NAMES = 100

STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', re.DOTALL)
# Field names end at a dot, a comparator or a parenthesis; values may hold dots and colons, as times do.
NAME = re.compile(r"[^\s\"'()=!<>:.,]+")
_VALUE = re.compile(r"[^\s\"'()=!<>,]+")
_COMPARATOR = re.compile(r"<=|>=|!=|=|<|>|:")
_SPACE = re.compile(r"\s*")
_KEYWORDS = ("AND", "OR", "NOT")


@dataclass(frozen=True)
class Value:
    """What a field is compared with: a word, a quoted string, or a function of time and its argument."""

    text: str
    at: int
    quoted: bool = False
    function: str = ""

    @property
    def star(self) -> bool:
        """Whether this is the bare `*`, which asks for presence."""
        return self.text == "*" and not self.quoted and not self.function

    @property
    def null(self) -> bool:
        """Whether this is the bare `null`."""
        return self.text == "null" and not self.quoted and not self.function


@dataclass(frozen=True)
class Restriction:
    """One comparison: a path of names, a comparator and a value."""

    path: tuple[str, ...]
    comparator: str
    value: Value
    at: int


@dataclass(frozen=True)
class Both:
    """Every part holds."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Either:
    """Some part holds."""

    parts: tuple["Tree", ...]


@dataclass(frozen=True)
class Negation:
    """The part does not hold."""

    part: "Tree"


Tree = Restriction | Both | Either | Negation


def parsed(text: str) -> Tree | None:
    """Returns the tree of a filter, None for an empty one; raises InvalidFields with position and expectation."""
    if len(text) > LONGEST:
        raise refused(LONGEST, f"is longer than {LONGEST} characters")
    if "\0" in text:
        raise refused(text.index("\0"), "found U+0000, which no value holds")
    return _Parser(text).whole() if text.strip() else None


def refused(at: int, message: str) -> InvalidFields:
    """Returns the refusal of a filter, with the position counted from 1."""
    return InvalidFields(FieldViolation("filter", f"at position {at + 1}: {message}"))


class _Parser:
    """Reads one filter from left to right; each method consumes what it is named for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.terms = 0
        self.names = 0

    def whole(self) -> Tree:
        tree = self.expression(self.restriction)
        if self.at < len(self.text):
            raise refused(self.at, f"found {self.found()}; expected AND, OR or the end")
        return tree

    def expression(self, leaf: Callable[[], Tree]) -> Tree:
        parts = [self.factor(leaf)]
        while self.keyword("AND"):
            parts.append(self.factor(leaf))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def factor(self, leaf: Callable[[], Tree]) -> Tree:
        # OR binds tighter than AND: so says AIP-160.
        parts = [self.term(leaf)]
        while self.keyword("OR"):
            parts.append(self.term(leaf))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def term(self, leaf: Callable[[], Tree]) -> Tree:
        self.space()
        if self.keyword("NOT") or (leaf == self.restriction and self.take("-")):
            return Negation(self.simple(leaf))
        return self.simple(leaf)

    def simple(self, leaf: Callable[[], Tree]) -> Tree:
        self.space()
        if not self.take("("):
            self.terms += 1
            if self.terms > MOST_TERMS:
                raise refused(self.at, f"there are more than {MOST_TERMS} comparisons")
            return leaf()
        self.depth += 1
        if self.depth > DEEPEST:
            raise refused(self.at, f"parentheses are nested deeper than {DEEPEST}")
        tree = self.expression(leaf)
        if not self.take(")"):
            raise refused(self.at, f"found {self.found()}; expected AND, OR or )")
        self.depth -= 1
        self.space()
        return tree

    def restriction(self) -> Tree:
        at = self.at
        path = (self.name(), *self.rest_of_path())
        comparator = self.match(_COMPARATOR)
        if not comparator:
            raise refused(self.at, f"found {self.found()}; expected one of = != < <= > >= : after a field")
        self.space()

        def compared() -> Tree:
            self.names += len(path)
            if self.names > MOST_NAMES:
                raise refused(at, f"all paths together have more than {MOST_NAMES} names")
            return Restriction(path, comparator, self.value(), at)

        if self.text.startswith("(", self.at):
            return self.simple(compared)
        return compared()

    def rest_of_path(self) -> list[str]:
        names = []
        while self.take("."):
            names.append(self.name())
            if len(names) >= LONGEST_PATH:
                raise refused(self.at, f"a path has more than {LONGEST_PATH} names")
        self.space()
        return names

    def name(self) -> str:
        at = self.at
        quoted = self.match(STRING)
        if quoted:  # a key of a map or of JSON data may be anything
            return unquoted(quoted)
        name = self.match(NAME)
        if not name or name in _KEYWORDS:
            raise refused(at, f"found {self.found(name)}; expected a field")
        return name

    def value(self) -> Value:
        at = self.at
        quoted = self.match(STRING)
        if quoted:
            self.space()
            return Value(unquoted(quoted), at, quoted=True)
        word = self.match(_VALUE)
        if not word or word in _KEYWORDS:
            raise refused(at, f"found {self.found(word)}; expected a value")
        if self.take("("):
            return self.function(word, at)
        self.space()
        return Value(word, at)

    def function(self, name: str, at: int) -> Value:
        self.space()
        argument = self.match(_VALUE)
        self.space()
        if not self.take(")"):
            raise refused(self.at, f"found {self.found()}; expected )")
        self.space()
        return Value(argument, at, function=name)

    def keyword(self, word: str) -> bool:
        self.space()
        end = self.at + len(word)
        if not self.text.startswith(word, self.at) or NAME.match(self.text, end):
            return False
        if self.text.startswith((":", "."), end) or _COMPARATOR.match(self.text, end):
            return False
        self.at = end
        return True

    def take(self, text: str) -> bool:
        if not self.text.startswith(text, self.at):
            return False
        self.at += len(text)
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found[0] if found else ""

    def space(self) -> None:
        self.match(_SPACE)

    def found(self, word: str = "") -> str:
        rest = word or self.text[self.at :]
        if rest.startswith(("'", '"')) and not STRING.match(rest):
            return "a string without its closing quote"
        return (rest.split() or ["the end"])[0][:40]


def unquoted(text: str) -> str:
    """Returns what a quoted string says."""
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
