"""What a variable says to searches and to people beside its values: hints, and data of the caller's own."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.values import IDENTIFIER, Invalid, Json, Violation, canonical_json, normalise, shown

MOST_HINTS = 32
MOST_BYTES = 16_384
"""How long metadata may be as RFC 8785 JSON."""

BASE_HINTS: Mapping[str, tuple[str, ...]] = {
    "float": ("continuous", "differentiable"),
    "integer": ("discrete", "ordered"),
    "choice": ("discrete", "categorical"),
    "boolean": ("discrete", "categorical"),
    "module": ("discrete", "categorical", "high_impact"),
    "hybrid": ("mixed", "categorical"),
    "group": ("nested",),
    "conditional": ("dependent",),
    "computed": ("computed", "dependent"),
    "instruction": ("open", "text", "high_impact"),
    "demo_set": ("open", "examples", "high_impact"),
}
"""What is known of every variable of a kind; a variable's own hints are added."""


@dataclass(frozen=True)
class Notes:
    """A variable's own hints, such as `high_impact`, and its metadata, any JSON object of at most MOST_BYTES."""

    hints: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with it, at paths below `path`."""
        if len(self.hints) > MOST_HINTS:
            yield Violation(f"{path}.hints", f"must be at most {MOST_HINTS}, not {len(self.hints)}", "OUT_OF_RANGE")
        for index, hint in enumerate(self.hints):
            if not isinstance(hint, str) or not IDENTIFIER.fullmatch(hint):
                yield Violation(
                    f"{path}.hints[{index}]", f"must be a lower-case name, not {shown(hint)}", "INVALID_NAME"
                )
        yield from metadata_faults(self.metadata, f"{path}.metadata")

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON; what is empty stays absent."""
        hints: dict[str, Json] = {"hints": list(self.hints)} if self.hints else {}
        return hints | ({"metadata": dict(self.metadata)} if self.metadata else {})


NOTHING = Notes()
"""The notes of a variable without any."""


def metadata_faults(metadata: Json, path: str) -> Iterator[Violation]:
    """Yield what is wrong with data of the caller's own: what is not JSON in it, else that it is too long."""
    try:
        length = len(canonical_json(normalise(metadata, path)))
    except Invalid as invalid:
        yield from invalid.violations
        return
    if length > MOST_BYTES:
        yield Violation(path, f"must be at most {MOST_BYTES} bytes, not {length}", "TOO_LARGE")


def hints_of(kind: str, notes: Notes) -> tuple[str, ...]:
    """Return the hints of a variable: those of its kind, then its own that they do not hold."""
    base = BASE_HINTS.get(kind, ())
    return base + tuple(hint for hint in notes.hints if hint not in base)
