"""Kinds of variables, written as Python values: what `Spaces.create` takes by name."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ashgrove.values import to_value
from ashgrove.variables.v1 import variable_space_pb2 as pb


@dataclass(frozen=True)
class Domain:
    """What every kind has beside its values: a condition, and words for people."""

    _: KW_ONLY
    when: str = ""
    """An expression over other variables; the variable is inactive while it is not met."""
    description: str = ""

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        raise NotImplementedError

    def variable(self, name: str) -> pb.Variable:
        """Returns it as a message."""
        made = pb.Variable(name=name, when=self.when, description=self.description, **self.fields())
        default = getattr(self, "default", None)
        if default is not None:
            made.default.CopyFrom(to_value(default))
        return made


@dataclass(frozen=True)
class Float(Domain):
    """Any number in a range; with a step, only those on its grid from `low`.

    `normal` is mean and deviation of a normal distribution to draw from, instead of evenly.
    """

    low: float
    high: float
    default: float | None = None
    log: bool = False
    step: float = 0.0
    normal: tuple[float, float] | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        normal = None if self.normal is None else pb.NormalDistribution(mean=self.normal[0], sigma=self.normal[1])
        return {"float": pb.FloatDomain(low=self.low, high=self.high, log=self.log, step=self.step, normal=normal)}


@dataclass(frozen=True)
class Integer(Domain):
    """A whole number in a range: every one, every `step`-th from `low`, or the powers of two."""

    low: int
    high: int
    default: int | None = None
    log: bool = False
    step: int = 0
    power_of_two: bool = False

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = pb.IntegerDomain(low=self.low, high=self.high, log=self.log, step=self.step)
        made.power_of_two = self.power_of_two
        return {"integer": made}


@dataclass(frozen=True)
class Choice(Domain):
    """One of a few values, perhaps some likelier than others, in an order, or beside any other value."""

    choices: Sequence[Any]
    default: Any = None
    weights: Sequence[float] = ()
    ordered: bool = False
    allow_custom: bool = False

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = pb.ChoiceDomain(weights=self.weights, ordered=self.ordered, allow_custom=self.allow_custom)
        made.choices.extend(to_value(each) for each in self.choices)
        return {"choice": made}


@dataclass(frozen=True)
class Boolean(Domain):
    """True or false."""

    default: bool | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        return {"boolean": pb.BooleanDomain()}


@dataclass(frozen=True)
class Module(Domain):
    """One of the components that serve an interface, by their ids."""

    interface: str
    components: Sequence[str]
    default: str | None = None
    capabilities: Sequence[str] = ()

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = pb.ModuleDomain(interface=self.interface, capabilities=self.capabilities)
        for each in self.components:
            made.components.add(id=each)
        return {"module": made}


@dataclass(frozen=True)
class Hybrid(Domain):
    """A choice together with a number in the choice's own range."""

    branches: Mapping[Any, Float | Integer]
    default: Mapping[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = [pb.HybridBranch(choice=to_value(choice), **each.fields()) for choice, each in self.branches.items()]
        return {"hybrid": pb.HybridDomain(branches=made)}


@dataclass(frozen=True)
class Group(Domain):
    """Variables that belong together, as one object."""

    variables: Mapping[str, Domain]

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        return {"group": pb.GroupDomain(variables=[each.variable(name) for name, each in self.variables.items()])}


@dataclass(frozen=True)
class Conditional(Domain):
    """One of two domains, as a condition over other variables says; none while it is not met and there is no second."""

    condition: str
    then: Float | Integer | Choice | Boolean
    otherwise: Float | Integer | Choice | Boolean | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        branches = {"then": _branch(self.then)}
        branches |= {} if self.otherwise is None else {"otherwise": _branch(self.otherwise)}
        return {"conditional": pb.ConditionalDomain(condition=self.condition, **branches)}


@dataclass(frozen=True)
class Computed(Domain):
    """What an expression over other variables gives: never chosen, always filled in."""

    expression: str

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        return {"computed": pb.ComputedDomain(expression=self.expression)}


@dataclass(frozen=True)
class Instruction(Domain):
    """What a slot of a program tells the model: `unchanged`, or a value of the space's pool.

    Segments are texts that must stay, in their order.
    """

    slot: str = "main"
    token_limit: int = 0
    placeholders: Sequence[str] = ()
    segments: Sequence[str] = ()
    default: str | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = pb.InstructionDomain(slot=self.slot, token_limit=self.token_limit, placeholders=self.placeholders)
        for each in self.segments:
            made.segments.add(text=each)
        return {"instruction": made}


@dataclass(frozen=True)
class DemoSet(Domain):
    """Which demonstrations a slot shows: of the training examples of one revision of a dataset."""

    dataset_id: str
    dataset_revision: int
    slot: str = "main"
    max_demonstrations: int = 0
    token_limit: int = 0
    default: str | None = None

    def fields(self) -> dict[str, Any]:
        """Returns the domain by its field's name."""
        made = pb.DemoSetDomain(slot=self.slot, dataset_id=self.dataset_id, dataset_revision=self.dataset_revision)
        made.max_demonstrations, made.token_limit = self.max_demonstrations, self.token_limit
        return {"demo_set": made}


@dataclass(frozen=True)
class Constraint:
    """What must hold between the variables of a configuration: an expression, what to tell, and what might help."""

    id: str
    expression: str
    message: str = ""
    suggested_fix: str = ""

    def constraint(self) -> pb.Constraint:
        """Returns it as a message."""
        return pb.Constraint(
            id=self.id, expression=self.expression, message=self.message, suggested_fix=self.suggested_fix
        )


def _branch(domain: Float | Integer | Choice | Boolean) -> pb.Branch:
    made = pb.Branch(**domain.fields())
    if domain.default is not None:
        made.default.CopyFrom(to_value(domain.default))
    return made
