"""Variable spaces, written as Python values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ashgrove.collection import Archived
from ashgrove.values import to_dict, to_struct, to_value
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1 import variables_service_pb2 as pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import ValidateConfigurationResponse
from ashgrove.variables.v1.variables_service_pb2_grpc import VariablesServiceStub


@dataclass(frozen=True)
class Float:
    """Any number in a range; with a step, only those on its grid from `low`."""

    low: float
    high: float
    default: float | None = None
    log: bool = False
    step: float = 0.0

    def variable(self, name: str) -> variable_space_pb2.Variable:
        """Returns it as a message."""
        domain = variable_space_pb2.FloatDomain(low=self.low, high=self.high, log=self.log, step=self.step)
        return _with_default(variable_space_pb2.Variable(name=name, float=domain), self.default)


@dataclass(frozen=True)
class Integer:
    """A whole number in a range."""

    low: int
    high: int
    default: int | None = None
    log: bool = False

    def variable(self, name: str) -> variable_space_pb2.Variable:
        """Returns it as a message."""
        domain = variable_space_pb2.IntegerDomain(low=self.low, high=self.high, log=self.log)
        return _with_default(variable_space_pb2.Variable(name=name, integer=domain), self.default)


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    choices: Sequence[Any]
    default: Any = None

    def variable(self, name: str) -> variable_space_pb2.Variable:
        """Returns it as a message."""
        domain = variable_space_pb2.ChoiceDomain(choices=[to_value(c) for c in self.choices])
        return _with_default(variable_space_pb2.Variable(name=name, choice=domain), self.default)


@dataclass(frozen=True)
class Boolean:
    """True or false."""

    default: bool | None = None

    def variable(self, name: str) -> variable_space_pb2.Variable:
        """Returns it as a message."""
        domain = variable_space_pb2.BooleanDomain()
        return _with_default(variable_space_pb2.Variable(name=name, boolean=domain), self.default)


Domain = Float | Integer | Choice | Boolean


def _with_default(variable: variable_space_pb2.Variable, default: Any) -> variable_space_pb2.Variable:
    if default is not None:
        variable.default.CopyFrom(to_value(default))
    return variable


class Spaces(Archived[variable_space_pb2.VariableSpace]):
    """The variable spaces that the caller may see."""

    service, messages, noun, plural = VariablesServiceStub, pb, "VariableSpace", "variable_spaces"

    def create(self, name: str, variables: Mapping[str, Domain]) -> variable_space_pb2.VariableSpace:
        """Creates a space from domains by name."""
        space = variable_space_pb2.VariableSpace(name=name, variables=[d.variable(n) for n, d in variables.items()])
        made: variable_space_pb2.VariableSpace = self._call("CreateVariableSpace", variable_space=space)
        return made

    def get(
        self, identifier: str, revision: int = 0, *, include: Sequence[str] = ()
    ) -> variable_space_pb2.VariableSpace:
        """Returns a space, at an earlier revision when one is named."""
        found: variable_space_pb2.VariableSpace = self._call(
            "GetVariableSpace", id=identifier, revision=revision, include=include
        )
        return found

    def generate(self, identifier: str, count: int, seed: int = 0) -> Sequence[dict[str, Any]]:
        """Returns configurations drawn at random; the same seed gives the same ones."""
        drawn = self._call("GenerateConfigurations", variable_space_id=identifier, count=count, seed=seed)
        return [to_dict(s) for s in drawn.configurations]

    def validate(self, identifier: str, values: Mapping[str, Any]) -> ValidateConfigurationResponse:
        """Judges values: normalised, or every violation."""
        verdict: ValidateConfigurationResponse = self._call(
            "ValidateConfiguration", variable_space_id=identifier, values=to_struct(values)
        )
        return verdict
