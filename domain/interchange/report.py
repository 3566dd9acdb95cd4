"""What does not carry over between a space and another library's form of it: told, never silently dropped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from domain.values import Violation

Kind = Literal["LOST", "REWRITTEN"]


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing: of which parameter or constraint, whether it is LOST or means the same in other words, and how."""

    path: str
    kind: Kind
    message: str


@dataclass
class Report:
    """Collects remarks on the way; where there are none, the way back gives an equal space."""

    remarks: list[Remark] = field(default_factory=list)

    def lost(self, path: str, message: str) -> None:
        """Tell what the other side has no words for."""
        self.remarks.append(Remark(path, "LOST", message))

    def rewritten(self, path: str, message: str) -> None:
        """Tell what the other side says in other words: no value is lost, but the way back differs."""
        self.remarks.append(Remark(path, "REWRITTEN", message))


class Reading:
    """A part of a document that somebody else wrote, with its path; asking for what is not there is a violation."""

    def __init__(self, value: object, path: str, violations: list[Violation]) -> None:
        self.value = value
        self.path = path
        self.violations = violations

    def fault(self, message: str) -> None:
        """Add what is wrong with it."""
        self.violations.append(Violation(self.path, message, "WRONG_TYPE"))

    def __getitem__(self, key: str) -> "Reading":
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Reading(value, f"{self.path}.{key}", self.violations)

    def items(self) -> "Iterator[Reading]":
        """Yield the items of a list; of what is none, nothing, and of what is not even absent, a violation."""
        if isinstance(self.value, list):
            yield from (Reading(each, f"{self.path}[{at}]", self.violations) for at, each in enumerate(self.value))
        elif self.value is not None:
            self.fault("must be a list")

    def entries(self) -> "Iterator[tuple[str, Reading]]":
        """Yield the entries of an object, by key; of what is none, nothing, and a violation."""
        if isinstance(self.value, dict):
            yield from (
                (str(key), Reading(each, f"{self.path}.{key}", self.violations)) for key, each in self.value.items()
            )
        elif self.value is not None:
            self.fault("must be an object")

    def text(self) -> str:
        """Return it as text."""
        if isinstance(self.value, str):
            return self.value
        self.fault("must be a text")
        return ""

    def number(self) -> float:
        """Return it as a number; texts of digits are numbers, as protos write 64-bit integers."""
        value = self.value
        if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal():
            return int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        self.fault("must be a number")
        return 0

    def whole(self) -> int:
        """Return it as a whole number."""
        number = self.number()
        if number != number or number in (float("inf"), float("-inf")) or number != int(number):
            self.fault("must be a whole number")
            return 0
        return int(number)

    def place(self, count: int) -> int:
        """Return it as the place of one of so many, 0 where it is none."""
        place = self.whole()
        if 0 <= place < count:
            return place
        self.fault(f"must be a place from 0 to {count - 1}")
        return 0
