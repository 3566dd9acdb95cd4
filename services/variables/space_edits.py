"""Single edits of a space: each makes a new revision, over the very state that its editor has seen."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ashgrove.variables.v1 import space_edit_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask

from domain.editing import added, removed, reordered, replaced
from domain.values import Invalid
from framework.engine import Call
from framework.errors import InvalidFields, StaleEtag
from framework.resource import action
from services.variables.spaces import refusal
from services.variables.variable_spaces import VariableSpace

_PREFIX = "variable_space."
Edit = Callable[[pb.VariableSpace], None]


def _name(variable: pb.Variable) -> str:
    return variable.name


def _id(constraint: pb.Constraint) -> str:
    return constraint.id


@action(VariableSpace, "AddVariable")
async def add_variable(call: Call, request: rpc.AddVariableRequest) -> pb.VariableSpace:
    """Adds a variable at its place."""
    place: list[int] = []

    def edit(space: pb.VariableSpace) -> None:
        position = request.position if request.HasField("position") else None
        place.append(len(space.variables) if position is None else position)
        _set(space.variables, added(list(space.variables), request.variable, _name, position))

    with _told({"name": "variable.name"}, "variables", place, "variable"):
        return await edited(call, request, "AddVariable", edit)


@action(VariableSpace, "UpdateVariable")
async def update_variable(call: Call, request: rpc.UpdateVariableRequest) -> pb.VariableSpace:
    """Puts a variable in the place of another."""
    place: list[int] = []

    def edit(space: pb.VariableSpace) -> None:
        place.extend(index for index, each in enumerate(space.variables) if each.name == request.name)
        _set(space.variables, replaced(list(space.variables), request.name, request.variable, _name))

    with _told({}, "variables", place, "variable"):
        return await edited(call, request, "UpdateVariable", edit)


@action(VariableSpace, "RemoveVariable")
async def remove_variable(call: Call, request: rpc.RemoveVariableRequest) -> pb.VariableSpace:
    """Takes a variable away; what reads it must go first."""

    def edit(space: pb.VariableSpace) -> None:
        _set(space.variables, removed(list(space.variables), request.name, _name))

    return await edited(call, request, "RemoveVariable", edit)


@action(VariableSpace, "ReorderVariables")
async def reorder_variables(call: Call, request: rpc.ReorderVariablesRequest) -> pb.VariableSpace:
    """Brings the variables into another order."""

    def edit(space: pb.VariableSpace) -> None:
        _set(space.variables, reordered(list(space.variables), list(request.names), _name))

    return await edited(call, request, "ReorderVariables", edit)


@action(VariableSpace, "AddConstraint")
async def add_constraint(call: Call, request: rpc.AddConstraintRequest) -> pb.VariableSpace:
    """Adds a constraint at the end."""
    place: list[int] = []

    def edit(space: pb.VariableSpace) -> None:
        place.append(len(space.constraints))
        _set(space.constraints, added(list(space.constraints), request.constraint, _id))

    with _told({"name": "constraint.id"}, "constraints", place, "constraint"):
        return await edited(call, request, "AddConstraint", edit)


@action(VariableSpace, "RemoveConstraint")
async def remove_constraint(call: Call, request: rpc.RemoveConstraintRequest) -> pb.VariableSpace:
    """Takes a constraint away."""

    def edit(space: pb.VariableSpace) -> None:
        _set(space.constraints, removed(list(space.constraints), request.constraint_id, _id))

    with _told({"name": "constraint_id"}, "constraints", [], ""):
        return await edited(call, request, "RemoveConstraint", edit)


async def edited(call: Call, request: Any, verb: str, edit: Edit) -> pb.VariableSpace:
    """Returns the space as an edit of its content leaves it; raises StaleEtag when somebody else was faster.

    The row is locked meanwhile: edits of two people never mix, and without an expectation both are done.
    """
    async with call.transaction():
        row = await call.row(VariableSpace, request.variable_space_id, verb, lock=True)
        if request.expected_revision not in (0, row["revision"]):
            raise StaleEtag(
                "the space has another revision than you expect: read it again and retry",
                current_revision=str(row["revision"]),
            )
        space = pb.VariableSpace()
        space.CopyFrom(await call.get(VariableSpace, request.variable_space_id))
        try:
            edit(space)
        except Invalid as invalid:
            raise refusal(invalid.violations) from None
        space.etag = request.etag
        return await call.replace(VariableSpace, space, FieldMask(paths=["variables", "constraints"]), _PREFIX)


def _set(field: Any, items: list[Any]) -> None:
    copies = [type(each).FromString(each.SerializeToString()) for each in items]
    del field[:]
    field.extend(copies)


@contextmanager
def _told(names: Mapping[str, str], collection: str, place: list[int], own: str) -> Iterator[None]:
    """Tells refusals in the request's words: `variable.float.high` for `variable_space.variables[3].float.high`."""
    try:
        yield
    except InvalidFields as refused:
        theirs = [f"{_PREFIX}{collection}[{index}]" for index in place]
        raise refused.moved(lambda path: _path(path, theirs, own, names)) from None


def _path(path: str, theirs: list[str], own: str, names: Mapping[str, str]) -> str:
    for place in theirs:
        if path.startswith(place):
            return own + path.removeprefix(place)
    return names.get(path, path)
