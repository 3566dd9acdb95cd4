"""What a read includes: `executions(filter="status = failed", page_size=3)` becomes what is asked of a relationship."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from framework.errors import FieldViolation, InvalidFields
from framework.query.grammar import STRING, unquoted

DEFAULT_SIZE = 10
LARGEST_SIZE = 100
# Each is a statement of its own.
MOST = 10
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SPACE = re.compile(r"\s*")
_ARGUMENTS = ("filter", "order_by", "page_size", "page_token")


@dataclass(frozen=True)
class Asked:
    """One relationship to include, and what is asked of the rows that it leads to."""

    name: str
    at: str
    """Where the request asks for it, such as `include[0]`."""
    filter: str = ""
    order_by: str = ""
    page_size: int = DEFAULT_SIZE
    page_token: str = ""

    def refused(self, message: str) -> InvalidFields:
        """Returns a refusal that names the place in the request."""
        return InvalidFields(FieldViolation(self.at, message))


def asked_from(texts: Sequence[str], known: Sequence[str]) -> list[Asked]:
    """Reads the includes of a request, of relationships that are known.

    Raises InvalidFields with the place, the position and what would be right there.
    """
    if len(texts) > MOST:
        raise InvalidFields(FieldViolation("include", f"names more than {MOST} relationships"))
    found: dict[str, Asked] = {}
    for i, text in enumerate(texts):
        one = _Parser(text, f"include[{i}]").whole(known)
        if one.name in found:
            raise one.refused(f"at position 1: {one.name} is included twice")
        found[one.name] = one
    return list(found.values())


class _Parser:
    """Reads one include from left to right."""

    def __init__(self, text: str, place: str) -> None:
        self.text = text
        self.place = place
        self.at = 0

    def whole(self, known: Sequence[str]) -> Asked:
        self.match(_SPACE)
        at = self.at
        name = self.match(_WORD)
        if name not in known:
            there = f"there are {', '.join(sorted(known))}" if known else "there are none"
            raise self.refused(at, f"{name or self.found()} is no relationship to include; {there}")
        arguments = dict(self.arguments()) if self.take("(") else {}
        if self.at < len(self.text):
            raise self.refused(self.at, f"found {self.found()}; expected ( or the end")
        return Asked(name, self.place, **arguments)

    def arguments(self) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        while True:
            at = self.at
            name = self.match(_WORD)
            if name not in _ARGUMENTS or name in seen:
                left = ", ".join(n for n in _ARGUMENTS if n not in seen)
                raise self.refused(at, f"found {name or self.found()}; expected one of {left or 'nothing more'}")
            seen.add(name)
            if not self.take("="):
                raise self.refused(self.at, f"found {self.found()}; expected =")
            yield name, self.size() if name == "page_size" else self.string()
            if self.take(")"):
                return
            if not self.take(","):
                raise self.refused(self.at, f"found {self.found()}; expected , or )")

    def size(self) -> int:
        at = self.at
        digits = self.match(_NUMBER)
        if not digits or not 1 <= int(digits) <= LARGEST_SIZE:
            raise self.refused(at, f"found {digits or self.found()}; expected a number from 1 to {LARGEST_SIZE}")
        return int(digits)

    def string(self) -> str:
        quoted = self.match(STRING)
        if not quoted:
            raise self.refused(self.at, f"found {self.found()}; expected a quoted string")
        return unquoted(quoted)

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        if pattern is not _SPACE:
            self.match(_SPACE)
        return found[0] if found else ""

    def take(self, mark: str) -> bool:
        self.match(_SPACE)
        if not self.text.startswith(mark, self.at):
            return False
        self.at += len(mark)
        self.match(_SPACE)
        return True

    def found(self) -> str:
        return (self.text[self.at :].split() or ["the end"])[0][:40]

    def refused(self, at: int, message: str) -> InvalidFields:
        return InvalidFields(FieldViolation(self.place, f"at position {at + 1}: {message}"))
