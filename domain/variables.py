"""The kinds of variables: which values each may take, and how one of them is drawn."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from itertools import accumulate
from typing import ClassVar, TypeAlias

from domain.expressions.kinds import ANY, BOOLEAN, Kind, common, kind_of
from domain.notes import NOTHING, Notes
from domain.numeric_variables import FloatVariable, IntegerVariable
from domain.seeds import Draw
from domain.values import Invalid, Json, Violation, canonical_json, is_finite, normalise, refused, shown

__all__ = ["BooleanVariable", "ChoiceVariable", "FloatVariable", "IntegerVariable", "Variable"]

MOST_CHOICES = 1000
LONGEST_CUSTOM = 10_000
HEAVIEST = 1e9


@dataclass(frozen=True)
class ChoiceVariable:
    """One of a few JSON scalars, told apart as JSON does: 1, true and "1" are three.

    `weights` make some likelier than others; `ordered` says that neighbours in the list are alike; `allow_custom`
    accepts any other scalar too, which is then never drawn.
    """

    kind: ClassVar[str] = "choice"
    name: str
    choices: tuple[Json, ...]
    _: KW_ONLY
    default: Json = None
    description: str = ""
    weights: tuple[float, ...] = ()
    ordered: bool = False
    allow_custom: bool = False
    when: str = ""
    notes: Notes = NOTHING

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its choices, at paths below `path`."""
        yield from self._choice_faults(path)
        yield from self._weight_faults(path)
        for field, flag in (("ordered", self.ordered), ("allow_custom", self.allow_custom)):
            if not isinstance(flag, bool):
                yield Violation(f"{path}.{field}", f"must be true or false, not {shown(flag)}", "WRONG_TYPE")

    def _weight_faults(self, path: str) -> Iterator[Violation]:
        if self.weights and len(self.weights) != len(self.choices):
            message = f"must be as many as there are choices ({len(self.choices)}), not {len(self.weights)}"
            yield Violation(f"{path}.weights", message, "OUT_OF_RANGE")
        for index, weight in enumerate(self.weights):
            if not is_finite(weight) or not 0 < weight <= HEAVIEST:
                message = f"must be a number above 0, at most {HEAVIEST:.0e}, not {shown(weight)}"
                yield Violation(f"{path}.weights[{index}]", message, "OUT_OF_RANGE")

    def _choice_faults(self, path: str) -> Iterator[Violation]:
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
    def reads_as(self) -> Kind:
        """What expressions take its values for: their kind if they have one in common."""
        return ANY if self.allow_custom else common([kind_of(choice) for choice in self.choices])

    @cached_property
    def _indices(self) -> dict[bytes, int]:
        return {_choice_key(choice, self.name): index for index, choice in enumerate(self.choices)}

    @property
    def cardinality(self) -> int:
        """The number of choices that are listed."""
        return len(self.choices)

    @cached_property
    def _rising(self) -> tuple[float, ...]:
        return tuple(accumulate(self.weights))

    def accept(self, value: Json, path: str) -> Json:
        """Return the choice that equals the value as JSON, or a custom one as it is."""
        index = self._indices.get(_choice_key(value, path))
        if index is None and self.allow_custom:
            return _custom(value, path)
        if index is None:
            choices = ", ".join(shown(choice) for choice in self.choices[:10])
            raise refused(path, f"must be one of {choices}, not {shown(value)}", "NOT_A_CHOICE")
        return self.choices[index]

    def draw(self, source: Draw) -> Json:
        """Draws one of the choices, each as likely as its weight says, or all alike."""
        if not self.weights:
            return self.at(source.below(self.cardinality))
        place = bisect_right(self._rising, source.unit() * self._rising[-1])
        return self.at(min(place, self.cardinality - 1))

    def at(self, index: int) -> Json:
        """Return the choice of that index, from 0."""
        return self.choices[index]

    def index(self, value: Json) -> int:
        """Return the index of a choice."""
        return self._indices[_choice_key(value, self.name)]

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        more: dict[str, Json] = {"weights": list(self.weights)} if self.weights else {}
        more |= {"ordered": True} if self.ordered else {}
        more |= {"allow_custom": True} if self.allow_custom else {}
        return {"choices": list(self.choices), **more}


@dataclass(frozen=True)
class BooleanVariable:
    """True or false."""

    kind: ClassVar[str] = "boolean"
    reads_as: ClassVar[Kind] = BOOLEAN
    cardinality: ClassVar[int] = 2
    name: str
    default: bool | None = None
    description: str = ""
    when: str = ""
    notes: Notes = NOTHING

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


def _custom(value: Json, path: str) -> Json:
    if isinstance(value, str) and len(value) > LONGEST_CUSTOM:
        raise refused(path, f"must be text of at most {LONGEST_CUSTOM} characters", "OUT_OF_RANGE")
    return normalise(value, path)


def _choice_key(choice: Json, path: str) -> bytes:
    """Return what equal choices share, and only they; raises Invalid unless it is a JSON scalar."""
    if isinstance(choice, list | tuple | dict):
        raise refused(path, f"must be text, a number, true, false or null, not {shown(choice)}", "WRONG_TYPE")
    return canonical_json(normalise(choice, path))
