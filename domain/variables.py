"""The kinds of variables: which values each may take, and how one of them is drawn."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

from domain.numeric_variables import FloatVariable, IntegerVariable
from domain.seeds import Draw
from domain.values import Invalid, Json, Violation, canonical_json, normalise, refused, shown

__all__ = ["BooleanVariable", "ChoiceVariable", "FloatVariable", "IntegerVariable", "Variable"]

MOST_CHOICES = 1000


@dataclass(frozen=True)
class ChoiceVariable:
    """One of a few JSON scalars, told apart as JSON does: 1, true and "1" are three."""

    kind: ClassVar[str] = "choice"
    name: str
    choices: tuple[Json, ...]
    _: KW_ONLY
    default: Json = None
    description: str = ""

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its choices, at paths below `path`."""
        if not 1 <= len(self.choices) <= MOST_CHOICES:
            yield Violation(f"{path}.choices", f"must be 1 to {MOST_CHOICES} values", "OUT_OF_RANGE")
        seen: dict[bytes, int] = {}
        for index, choice in enumerate(self.choices):
            place = f"{path}.choices[{index}]"
            try:
                key = _choice_key(choice, place)
            except Invalid as invalid:
                yield from invalid.violations
            else:
                if (first := seen.setdefault(key, index)) != index:
                    yield Violation(place, f"repeats choices[{first}]", "DUPLICATE")

    @cached_property
    def _indices(self) -> dict[bytes, int]:
        return {_choice_key(choice, self.name): index for index, choice in enumerate(self.choices)}

    @property
    def cardinality(self) -> int:
        """The number of values."""
        return len(self.choices)

    def accept(self, value: Json, path: str) -> Json:
        """Return the choice that equals the value as JSON."""
        index = self._indices.get(_choice_key(value, path))
        if index is None:
            choices = ", ".join(shown(choice) for choice in self.choices[:10])
            raise refused(path, f"must be one of {choices}, not {shown(value)}", "NOT_A_CHOICE")
        return self.choices[index]

    def draw(self, source: Draw) -> Json:
        """Draws one of the choices, each equally likely."""
        return self.at(source.below(self.cardinality))

    def at(self, index: int) -> Json:
        """Return the choice of that index, from 0."""
        return self.choices[index]

    def index(self, value: Json) -> int:
        """Return the index of a choice."""
        return self._indices[_choice_key(value, self.name)]

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {"choices": list(self.choices)}


@dataclass(frozen=True)
class BooleanVariable:
    """True or false."""

    kind: ClassVar[str] = "boolean"
    cardinality: ClassVar[int] = 2
    name: str
    default: bool | None = None
    description: str = ""

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield nothing: there is nothing to get wrong."""
        yield from ()

    def accept(self, value: Json, path: str) -> bool:
        """Return the value if it is true or false; 0 and 1 are not."""
        if not isinstance(value, bool):
            raise refused(path, f"must be true or false, not {shown(value)}", "WRONG_TYPE")
        return value

    def draw(self, source: Draw) -> bool:
        """Draws either, equally likely."""
        return bool(source.below(2))

    def at(self, index: int) -> bool:
        """Return false for 0 and true for 1."""
        return bool(index)

    def index(self, value: bool) -> int:
        """Return 0 for false and 1 for true."""
        return int(value)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {}


Variable: TypeAlias = FloatVariable | IntegerVariable | ChoiceVariable | BooleanVariable


def _choice_key(choice: Json, path: str) -> bytes:
    """Return what equal choices share, and only they; raises Invalid unless it is a JSON scalar."""
    if isinstance(choice, list | tuple | dict):
        raise refused(path, f"must be text, a number, true, false or null, not {shown(choice)}", "WRONG_TYPE")
    return canonical_json(normalise(choice, path))
