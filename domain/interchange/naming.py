"""Names of other libraries as names of variables, and their conditions as expressions."""

import re
from collections.abc import Sequence

from domain.interchange.parameters import Condition, condition_text
from domain.interchange.report import Report
from domain.values import Json

_LONGEST = 63


class Names:
    """Gives every parameter a variable's name of its own: its own where that is one."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._known: dict[str, str] = {}
        self._taken: set[str] = set()
        self._numbers: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """Return the variable's name of a parameter, the same every time."""
        if name not in self._known:
            self._known[name] = self._new(name)
            if self._known[name] != name:
                self.report.rewritten(name, f"is called {self._known[name]}")
        return self._known[name]

    def _new(self, name: str) -> str:
        plain = re.sub(r"[^a-z0-9_]", "_", name.lower())
        plain = (plain if plain[:1].isalpha() else f"p_{plain}")[:_LONGEST]
        made, base = plain, plain[: _LONGEST - 8]
        while made in self._taken:
            self._numbers[base] = number = self._numbers.get(base, 1) + 1
            made = f"{base}_{number}"
        self._taken.add(made)
        return made

    def when(self, conditions: Sequence[tuple[str, Sequence[Json]]]) -> str:
        """Return conditions over parameters as an expression over variables."""
        renamed: list[Condition] = [(self(parent), tuple(values)) for parent, values in conditions]
        return condition_text(renamed)
