"""Constraints: what must hold between the variables of a configuration, as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from domain.values import Violation, told_faults

LONGEST_TEXT = 1000
_ID = re.compile(r"[a-z][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Constraint:
    """An expression that must be true.

    It holds by itself where it names an inactive variable, unless it asks for presence (`has`, `count_active`).
    """

    id: str
    expression: str
    message: str = ""
    suggested_fix: str = ""

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its texts; the expression is judged with the space."""
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            message = "must be a lower-case identifier of at most 63 letters, digits, hyphens and underscores"
            yield Violation(f"{path}.id", message, "INVALID_NAME")
        for field, text in (("message", self.message), ("suggested_fix", self.suggested_fix)):
            yield from told_faults(text, f"{path}.{field}", LONGEST_TEXT)
        if not isinstance(self.expression, str):
            yield Violation(f"{path}.expression", "must be text", "WRONG_TYPE")

    def words(self) -> str:
        """Return what to tell whoever breaks it."""
        return self.message or f"breaks {self.id}: {self.expression}"

    def to_json(self) -> dict[str, str]:
        """Return it as JSON; what is empty stays absent."""
        fields = {"message": self.message, "suggested_fix": self.suggested_fix}
        return {"id": self.id, "expression": self.expression} | {key: text for key, text in fields.items() if text}
