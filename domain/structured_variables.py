"""Variables made of others: a choice with a number of its own, a group, one of two domains, a computed value."""

from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from domain.expressions.kinds import ANY, NUMBER, Kind, common, object_of
from domain.notes import NOTHING, Notes
from domain.prompt_variables import PromptVariable
from domain.seeds import Draw
from domain.values import Invalid, Json, Violation, refused, shown
from domain.variables import ChoiceVariable, FloatVariable, IntegerVariable, Variable

if TYPE_CHECKING:
    from domain.space import Space


@dataclass(frozen=True)
class HybridBranch:
    """A choice and the range of the number that goes with it."""

    choice: Json
    range: FloatVariable | IntegerVariable


@dataclass(frozen=True)
class HybridVariable:
    """A choice, and a number in the range that belongs to the choice: {"choice": ..., "number": ...}."""

    kind: ClassVar[str] = "hybrid"
    name: str
    branches: tuple[HybridBranch, ...]
    _: KW_ONLY
    default: Json = None
    description: str = ""
    when: str = ""
    notes: Notes = NOTHING

    @cached_property
    def choice(self) -> ChoiceVariable:
        """The choice alone."""
        return ChoiceVariable(self.name, tuple(branch.choice for branch in self.branches))

    @property
    def reads_as(self) -> Kind:
        """What expressions take it for: an object of `choice` and `number`."""
        return object_of({"choice": self.choice.reads_as, "number": NUMBER})

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its branches, at paths below `path`."""
        for each in self.choice.faults(path):
            place = each.path.replace(".choices", ".branches")
            place += ".choice" if place.endswith("]") else ""
            yield Violation(place, each.message.replace("choices", "branches"), each.code)
        for index, branch in enumerate(self.branches):
            yield from branch.range.faults(f"{path}.branches[{index}].{branch.range.kind}")

    def accept(self, value: Json, path: str) -> dict[str, Json]:
        """Return the value with its choice and its number normalised; raises Invalid with every violation."""
        if not isinstance(value, Mapping):
            raise refused(path, f"must be an object of choice and number, not {shown(value)}", "WRONG_TYPE")
        violations = [
            Violation(f"{path}.{key}", "is not a known field", "UNKNOWN_NAME")
            for key in value
            if key not in ("choice", "number")
        ]
        violations += [
            Violation(f"{path}.{key}", "is required", "REQUIRED") for key in ("choice", "number") if key not in value
        ]
        if violations:
            raise Invalid(violations)
        choice = self.choice.accept(value["choice"], f"{path}.choice")
        return {"choice": choice, "number": self.range_of(choice).accept(value["number"], f"{path}.number")}

    def range_of(self, choice: Json) -> FloatVariable | IntegerVariable:
        """Return the range of a choice's number."""
        return self.branches[self.choice.index(choice)].range

    def draw(self, source: Draw) -> dict[str, Json]:
        """Draws a choice, each equally likely, then a number from its own range."""
        branch = self.branches[source.below(len(self.branches))]
        return {"choice": branch.choice, "number": branch.range.draw(source)}

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {"branches": [{"choice": each.choice, each.range.kind: each.range.domain()} for each in self.branches]}


@dataclass(frozen=True)
class GroupVariable:
    """Variables that belong together, as one object; their conditions read each other, not what is outside."""

    kind: ClassVar[str] = "group"
    name: str
    variables: tuple["Declared", ...]
    _: KW_ONLY
    default: Json = None
    description: str = ""
    when: str = ""
    notes: Notes = NOTHING

    @cached_property
    def inner(self) -> "Space":
        """The space of its variables; raises Invalid unless they are sound."""
        if isinstance(self._judged, Invalid):
            raise Invalid(self._judged.violations)
        return self._judged

    @cached_property
    def _judged(self) -> "Space | Invalid":
        # Once, also where it is refused: each level asks twice, which of eight levels is 256 times.
        from domain.space import Space

        try:
            return Space(self.variables)
        except Invalid as invalid:
            return invalid

    @property
    def reads_as(self) -> Kind:
        """What expressions take it for: an object of its variables."""
        try:
            scope = self.inner.rules.scope
        except Invalid:
            return ANY
        return object_of({name: scope[name] for name in self.inner.names})

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its variables, at paths below `path`."""
        if not self.variables:
            yield Violation(f"{path}.variables", "must not be empty", "OUT_OF_RANGE")
        for index, each in enumerate(self.variables):
            if isinstance(each, PromptVariable):
                message = "stands at the top of a space only: slots belong to the program as a whole"
                yield Violation(f"{path}.variables[{index}].{each.kind}", message, "UNSUPPORTED")
        try:
            _ = self.inner
        except Invalid as invalid:
            yield from (Violation(f"{path}.{each.path}", each.message, each.code) for each in invalid.violations)

    def accept(self, value: Json, path: str) -> dict[str, Json]:
        """Return the value with what is missing filled in; raises Invalid with every violation."""
        try:
            return self.inner.validate(value)
        except Invalid as invalid:
            cut = len("values")
            moved = [Violation(path + each.path[cut:], each.message, each.code) for each in invalid.violations]
            raise Invalid(moved) from None

    def draw(self, source: Draw) -> dict[str, Json]:
        """Draws its variables."""
        return self.inner.draw(source)

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {"variables": self.inner.to_json()}


@dataclass(frozen=True)
class ConditionalVariable:
    """One of two domains, as its condition says; without `otherwise` it is inactive unless the condition holds."""

    kind: ClassVar[str] = "conditional"
    name: str
    condition: str
    then: Variable
    otherwise: Variable | None = None
    _: KW_ONLY
    default: Json = None
    description: str = ""
    when: str = ""
    notes: Notes = NOTHING

    @property
    def branches(self) -> dict[str, Variable]:
        """The domains that it has, by their fields."""
        return {"then": self.then} | ({} if self.otherwise is None else {"otherwise": self.otherwise})

    @property
    def reads_as(self) -> Kind:
        """What expressions take it for: what its domains have in common."""
        return common([each.reads_as for each in self.branches.values()])

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its domains and their defaults, at paths below `path`."""
        if not isinstance(self.condition, str):
            yield Violation(f"{path}.condition", f"must be text, not {shown(self.condition)}", "WRONG_TYPE")
        for field, branch in self.branches.items():
            faults = list(branch.faults(f"{path}.{field}.{branch.kind}"))
            yield from faults
            if branch.default is not None and not faults:
                try:
                    branch.accept(branch.default, f"{path}.{field}.default")
                except Invalid as invalid:
                    yield from invalid.violations

    def accept(self, value: Json, path: str) -> Json:
        """Refuse: which of its domains is asked depends on other values, and so does the default."""
        raise refused(path, "must be absent: each branch has its own", "CONTRADICTION")

    def draw(self, source: Draw) -> Json:
        """Refuse, as `accept` does."""
        raise NotImplementedError("a conditional variable is drawn by the domain that is active")

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        written = {
            field: {each.kind: each.domain()} | ({} if each.default is None else {"default": each.default})
            for field, each in self.branches.items()
        }
        return {"condition": self.condition, **written}


@dataclass(frozen=True)
class ComputedVariable:
    """What an expression over other variables gives: never chosen, always filled in.

    It is inactive where the expression names an inactive variable without asking for presence.
    """

    kind: ClassVar[str] = "computed"
    reads_as: ClassVar[Kind] = ANY
    name: str
    expression: str
    _: KW_ONLY
    default: Json = None
    description: str = ""
    when: str = ""
    notes: Notes = NOTHING

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with it; its expression is judged with the space."""
        if not isinstance(self.expression, str):
            yield Violation(f"{path}.expression", f"must be text, not {shown(self.expression)}", "WRONG_TYPE")

    def accept(self, value: Json, path: str) -> Json:
        """Refuse: it has no values to choose from, and no default."""
        raise refused(path, "must be absent: the variable is computed", "CONTRADICTION")

    def draw(self, source: Draw) -> Json:
        """Refuse, as `accept` does."""
        raise NotImplementedError("a computed variable is not drawn")

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        return {"expression": self.expression}


Declared: TypeAlias = Variable | HybridVariable | GroupVariable | ConditionalVariable | ComputedVariable
"""Any variable that a space may declare; `Variable` is one of those whose value is a scalar chosen by itself."""


def scalar(variable: Declared) -> Variable:
    """Return the variable if its value is a scalar chosen by itself; raises ValueError otherwise."""
    if isinstance(variable, HybridVariable | GroupVariable | ConditionalVariable | ComputedVariable):
        raise ValueError(f"{variable.name} is {variable.kind}: no scalar that is chosen by itself")
    return variable
