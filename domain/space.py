"""Variable spaces: named variables, the configurations they allow, and how many of them there are."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.normal import Normal
from domain.seeds import Draw
from domain.values import Invalid, Json, Violation, shown
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable

__all__ = [
    "BooleanVariable",
    "ChoiceVariable",
    "FloatVariable",
    "IntegerVariable",
    "Normal",
    "Size",
    "Space",
    "Variable",
]

MOST_VARIABLES = 1000
LONGEST_DESCRIPTION = 1000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Size:
    """How large a space is; a continuous or open variable makes it infinite and leaves `discrete_cardinality` alone."""

    discrete_cardinality: int
    log10: float
    is_infinite: bool
    discrete_dimensions: int
    continuous_dimensions: int

    def decimal(self) -> str:
        """Return the cardinality in decimal; it may have 16,000 digits, which `str` refuses to write."""
        return format(Decimal(self.discrete_cardinality), "f")


@dataclass(frozen=True)
class Space:
    """A sound, ordered set of variables; making one raises Invalid with everything that is wrong with it."""

    variables: tuple[Variable, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        violations = list(space_faults(dict(enumerate(self.variables)), len(self.variables)))
        if violations:
            raise Invalid(violations)

    @classmethod
    def from_json(cls, variables: Sequence[Mapping[str, Json]]) -> "Space":
        """Read a space from its JSON form; raises Invalid with everything that is wrong with it."""
        from domain.space_json import read

        return read(variables)

    def to_json(self) -> list[dict[str, Json]]:
        """Write the space so that `from_json` reads an equal one."""
        from domain.space_json import write

        return write(self)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    def validate(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Return the configuration with defaults filled in and every value normalised, in the space's order.

        Raises Invalid with every violation, each at `values.<name>`. Validating the result again changes nothing.
        """
        if not isinstance(values, Mapping):
            raise Invalid([Violation("values", f"must be an object, not {shown(values)}", "WRONG_TYPE")])
        violations = list(self._unknown(values))
        configuration: dict[str, Json] = {}
        for variable in self.variables:
            try:
                configuration[variable.name] = _value(variable, values)
            except Invalid as invalid:
                violations.extend(invalid.violations)
        if violations:
            raise Invalid(violations)
        return configuration

    def defaults(self) -> dict[str, Json] | None:
        """Return the configuration of all defaults; None if a variable has none."""
        if any(variable.default is None for variable in self.variables):
            return None
        return self.validate({})

    def draw(self, source: Draw) -> dict[str, Json]:
        """Draws a configuration, each variable on its own and in order."""
        return self.validate({variable.name: variable.draw(source) for variable in self.variables})

    def size(self) -> Size:
        """Return how large the space is.

        A range without a step is continuous unless it is a single point; a choice that allows custom values counts
        those that it lists, and makes the space infinite.
        """
        counts = [variable.cardinality for variable in self.variables]
        discrete = [count for count in counts if count is not None]
        continuous = len(counts) - len(discrete)
        cardinality = math.prod(discrete)
        is_infinite = continuous > 0 or any(_is_open(variable) for variable in self.variables)
        return Size(cardinality, math.log10(cardinality), is_infinite, len(discrete), continuous)

    def _unknown(self, values: Mapping[Any, Json]) -> Iterator[Violation]:
        known = set(self.names)
        for name in values:
            if name not in known:
                yield Violation(f"values.{name}", "is not a variable of this space", "UNKNOWN_NAME")


def _is_open(variable: Variable) -> bool:
    return isinstance(variable, ChoiceVariable) and variable.allow_custom


def space_faults(variables: Mapping[int, Variable], count: int) -> Iterator[Violation]:
    """Yield what is wrong with the variables, given by their place among `count`."""
    if count > MOST_VARIABLES:
        yield Violation("variables", f"must be at most {MOST_VARIABLES}, not {count}", "OUT_OF_RANGE")
    first: dict[str, int] = {}
    for index, variable in variables.items():
        path = f"variables[{index}]"
        yield from _variable_faults(variable, path)
        if isinstance(variable.name, str) and (earlier := first.setdefault(variable.name, index)) != index:
            yield Violation(f"{path}.name", f"repeats variables[{earlier}].name", "DUPLICATE")


def _variable_faults(variable: Variable, path: str) -> Iterator[Violation]:
    if not isinstance(variable.name, str) or not _NAME.fullmatch(variable.name):
        message = "must be a lower-case identifier of at most 63 letters, digits and underscores"
        yield Violation(f"{path}.name", message, "INVALID_NAME")
    if not isinstance(variable.description, str) or len(variable.description) > LONGEST_DESCRIPTION:
        message = f"must be text of at most {LONGEST_DESCRIPTION} characters"
        yield Violation(f"{path}.description", message, "OUT_OF_RANGE")
    faults = list(variable.faults(f"{path}.{variable.kind}"))
    yield from faults
    if variable.default is not None and not faults:
        yield from _default_faults(variable, f"{path}.default")


def _default_faults(variable: Variable, path: str) -> Iterator[Violation]:
    try:
        variable.accept(variable.default, path)
    except Invalid as invalid:
        yield from invalid.violations


def _value(variable: Variable, values: Mapping[str, Json]) -> Json:
    path = f"values.{variable.name}"
    if variable.name in values:
        return variable.accept(values[variable.name], path)
    if variable.default is None:
        raise Invalid([Violation(path, "is required: the variable has no default", "REQUIRED")])
    return variable.accept(variable.default, path)
