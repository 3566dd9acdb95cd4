"""Carries spaces and values between the protos and the domain, every violation at its path in the request."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import grpc
from ashgrove.error.v1.reason_pb2 import Reason
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import ConfigurationViolation
from google.protobuf.json_format import MessageToDict

from domain.difficulty import complexity, difficulty
from domain.recommending import recommended_budget, recommended_strategy
from domain.sampling import Unsatisfied, feasible_share
from domain.satisfiability import emptiness
from domain.space import Space
from domain.values import Invalid, Violation
from framework.errors import Failure, FieldViolation, IllegalState, InvalidFields

_LIGHT_BYTES = 2048
_SCALAR = {"float", "integer", "choice", "boolean"}


def space_of(space: pb.VariableSpace, prefix: str = "") -> Space:
    """Returns the domain's space; raises InvalidFields with every violation, such as `variables[2].float.high`."""
    content = pb.VariableSpace(variables=space.variables, constraints=space.constraints)
    try:
        return _read(content.SerializeToString(deterministic=True))
    except Invalid as invalid:
        raise refusal(invalid.violations, prefix) from None


@lru_cache(maxsize=64)
def _read(content: bytes) -> Space:
    """Reads a space once: that of 500 variables takes 60 ms, judging one of its configurations 2 ms."""
    space = pb.VariableSpace.FromString(content)
    return Space.from_json(_entries(space.variables), _entries(space.constraints))


def _entries(messages: Iterable[pb.Variable] | Iterable[pb.Constraint]) -> list[dict[str, Any]]:
    # Zero bounds are bounds: they must be written out, the domain takes absent ones for missing.
    return [
        MessageToDict(each, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        for each in messages
    ]


async def measured_apart(new: pb.VariableSpace, prefix: str) -> pb.SpaceSize:
    """Returns how large a space is, worked out on a thread where that may take longer than the way there and back.

    Reading a large space, counting its branches and trying what its constraints leave takes a second each; what is
    small, flat and without conditions takes less than a thread costs.
    """
    light = new.ByteSize() <= _LIGHT_BYTES and not new.constraints and all(map(_stands_alone, new.variables))
    return measured(new, prefix) if light else await asyncio.to_thread(measured, new, prefix)


def _stands_alone(variable: pb.Variable) -> bool:
    return variable.WhichOneof("domain") in _SCALAR and not variable.when


def measured(new: pb.VariableSpace, prefix: str) -> pb.SpaceSize:
    """Returns how large a space is; raises InvalidFields for what is none, or is proven to have no configuration."""
    space = space_of(new, prefix)
    if reason := emptiness(space):
        message = f"leave no configuration: {reason}"
        raise InvalidFields(FieldViolation(f"{prefix}constraints", message))
    return size_of(space)


def refusal(violations: Iterable[Violation], prefix: str = "") -> InvalidFields:
    """Returns the domain's violations as the failure that callers see."""
    return InvalidFields(*(FieldViolation(prefix + v.path, v.message) for v in violations))


def violation_of(violation: Violation) -> ConfigurationViolation:
    """Returns the domain's violation as callers see it."""
    return ConfigurationViolation(
        path=violation.path,
        message=violation.message,
        code=violation.code,
        constraint_id=violation.constraint,
        variables=violation.variables,
        suggested_fix=violation.suggested_fix,
    )


def size_of(space: Space, share: float | None = None) -> pb.SpaceSize:
    """Returns how large a space is, and which share the constraints leave, where that is not known already."""
    size = space.size()
    return pb.SpaceSize(
        variable_count=len(space.variables),
        complexity=complexity(space),
        difficulty=pb.SpaceSize.Difficulty.Value(f"DIFFICULTY_{difficulty(space).upper()}"),
        conditional_dimensions=size.conditional_dimensions,
        is_estimated=size.is_estimated,
        feasible_share=_share(space, share),
        discrete_cardinality=size.decimal(),
        log10_cardinality=size.log10,
        is_infinite=size.is_infinite,
        discrete_dimensions=size.discrete_dimensions,
        continuous_dimensions=size.continuous_dimensions,
        open_dimensions=size.open_dimensions,
        recommended_budget=recommended_budget(space),
        recommended_strategy=pb.SpaceSize.Strategy.Value(f"STRATEGY_{recommended_strategy(space).upper()}"),
    )


def _share(space: Space, known: float | None) -> float | None:
    if not space.rules.constraints:
        return None
    return feasible_share(space) if known is None else known


def archived(action: str) -> IllegalState:
    """Returns what an action that adds to an archived space fails with."""
    told = "this variable space is archived; legal: UnarchiveVariableSpace first, or another space"
    return IllegalState(told, status="ARCHIVED", action=action)


class Unsatisfiable(Failure):
    """No configuration was found within the effort that is allowed for it."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = Reason.REASON_LIMIT_REACHED


def unsatisfied(hopeless: Unsatisfied) -> Unsatisfiable:
    """Returns the domain's giving up as the failure that callers see."""
    return Unsatisfiable(
        f"the space seems unsatisfiable: {hopeless}",
        candidates=str(hopeless.candidates),
        accepted=str(hopeless.accepted),
        most_violated=hopeless.most_violated,
    )
