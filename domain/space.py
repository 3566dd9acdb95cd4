"""Variable spaces: named variables, the configurations they allow, and how many of them there are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from domain.constraints import Constraint
from domain.drawing import completed
from domain.judging import Judgement
from domain.module_variables import Compatibility, Component, ModuleVariable
from domain.normal import Normal
from domain.notes import Notes
from domain.prompt_variables import DemoSetVariable, InstructionVariable, Pool, PromptVariable, Segment
from domain.rules import Rules
from domain.seeds import Draw
from domain.size import Size, size_of
from domain.soundness import judge_space
from domain.structured_variables import (
    ComputedVariable,
    ConditionalVariable,
    Declared,
    GroupVariable,
    HybridBranch,
    HybridVariable,
)
from domain.values import Invalid, Json, Violation, content_hash, shown
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable

__all__ = [
    "BooleanVariable",
    "ChoiceVariable",
    "Compatibility",
    "Component",
    "ComputedVariable",
    "ConditionalVariable",
    "Constraint",
    "Declared",
    "DemoSetVariable",
    "FloatVariable",
    "GroupVariable",
    "HybridBranch",
    "HybridVariable",
    "InstructionVariable",
    "IntegerVariable",
    "ModuleVariable",
    "Normal",
    "Notes",
    "PromptVariable",
    "Segment",
    "Size",
    "Space",
    "Variable",
]


@dataclass(frozen=True)
class Space:
    """A sound, ordered set of variables; making one raises Invalid with everything that is wrong with it."""

    variables: tuple[Declared, ...]
    constraints: tuple[Constraint, ...] = ()
    rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "variables", tuple(self.variables))
        object.__setattr__(self, "constraints", tuple(self.constraints))
        counts = len(self.variables), len(self.constraints)
        rules, violations = judge_space(dict(enumerate(self.variables)), dict(enumerate(self.constraints)), counts)
        if violations:
            raise Invalid(violations)
        object.__setattr__(self, "rules", rules)

    @classmethod
    def from_json(
        cls, variables: Sequence[Mapping[str, Json]], constraints: Sequence[Mapping[str, Json]] = ()
    ) -> "Space":
        """Read a space from its JSON form; raises Invalid with everything that is wrong with it."""
        from domain.space_json import read

        return read(variables, constraints)

    def to_json(self) -> list[dict[str, Json]]:
        """Write the variables so that `from_json` reads equal ones; `constraints` write themselves."""
        from domain.space_json import write

        return write(self)

    @property
    def content_hash(self) -> str:
        """SHA-256 of the space as RFC 8785 JSON, in hexadecimal: equal for equal spaces, and only for them."""
        return content_hash({"variables": self.to_json(), "constraints": [each.to_json() for each in self.constraints]})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, in order."""
        return tuple(variable.name for variable in self.variables)

    @cached_property
    def is_flat(self) -> bool:
        """Whether every variable takes a scalar that is chosen by itself, if only under conditions.

        What maps one coordinate to each variable, as Optuna's estimator does, can do such spaces only.
        """
        structured = HybridVariable | GroupVariable | ConditionalVariable | ComputedVariable
        return not any(isinstance(variable, structured) for variable in self.variables)

    @cached_property
    def prompts(self) -> tuple[PromptVariable, ...]:
        """The prompt variables, in order."""
        return tuple(each for each in self.variables if isinstance(each, PromptVariable))

    def offering(self, pool: Pool) -> "Space":
        """Return the space with a pool of prompt values: to judge references by, and to draw them from.

        The same values in the same order give the same draws.
        """
        if not self.prompts:
            return self

        def offered(variables: tuple[Declared, ...]) -> tuple[Declared, ...]:
            return tuple(each.offering(pool) if isinstance(each, PromptVariable) else each for each in variables)

        return self._with(offered(self.variables), replace(self.rules, order=offered(self.rules.order)))

    def within(self, slots: Collection[str]) -> "Space":
        """Return the space for a program that has these slots only: prompt variables of others are inactive."""
        return self._with(self.variables, replace(self.rules, slots=frozenset(slots))) if self.prompts else self

    def _with(self, variables: tuple[Declared, ...], rules: Rules) -> "Space":
        """Return the space with variables and rules that say the same of what is sound."""
        made = object.__new__(Space)
        for name, value in (("variables", variables), ("constraints", self.constraints), ("rules", rules)):
            object.__setattr__(made, name, value)
        return made

    def validate(self, values: Mapping[str, Json]) -> dict[str, Json]:
        """Return the configuration with defaults filled in and every value normalised, in the space's order.

        Inactive variables are absent from it. Raises Invalid with every violation: of a value at `values.<name>`, of a
        constraint over several at `values`. Validating the result again changes nothing.
        """
        if not isinstance(values, Mapping):
            raise Invalid([Violation("values", f"must be an object, not {shown(values)}", "WRONG_TYPE")])
        judgement = Judgement(self.rules, values)
        judgement.judge()
        violations = [*self._unknown(values), *judgement.violations]
        if violations:
            raise Invalid(violations)
        return self.ordered(judgement.accepted)

    def ordered(self, values: dict[str, Json]) -> dict[str, Json]:
        """Return values of active variables in the order of the variables."""
        return {name: values[name] for name in self.names if name in values} if self.rules.parents else values

    def defaults(self) -> dict[str, Json] | None:
        """Return the configuration of all defaults; None if an active variable has none, or if a constraint breaks."""
        try:
            return self.validate({})
        except Invalid:
            return None

    def draw(self, source: Draw) -> dict[str, Json]:
        """Draws values, each variable by itself, parents before children, inactive ones left out.

        Constraints are not looked at, and computed values that there are not are missing: `domain.sampling` draws until
        the configuration is valid.
        """
        return self.ordered(completed(self.rules, source))

    def size(self) -> Size:
        """Return how large the space is, before its constraints are applied; counted once."""
        return self._size

    @cached_property
    def _size(self) -> Size:
        return size_of(self.rules)

    def _unknown(self, values: Mapping[Any, Json]) -> Iterator[Violation]:
        known = set(self.names)
        for name in values:
            if name not in known:
                yield Violation(f"values.{name}", "is not a variable of this space", "UNKNOWN_NAME")
