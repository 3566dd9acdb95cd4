"""Spaces as a whole: what is known of them, what differs between them, merges and copies."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from ashgrove.variables.v1 import space_comparison_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from domain.differing import Changes, Difference, Verdict, difference
from domain.merging import Conflict, Merged, merged
from domain.notes import hints_of
from domain.satisfiability import satisfiability
from domain.size import decimal, extent_of
from domain.space import Space
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from services.variables.space_edits import edited
from services.variables.spaces import size_of, space_of
from services.variables.variable_spaces import VariableSpace

_SATISFIABILITY = {
    "proven_empty": rpc.AnalyzeVariableSpaceResponse.SATISFIABILITY_PROVEN_EMPTY,
    "unknown": rpc.AnalyzeVariableSpaceResponse.SATISFIABILITY_UNKNOWN,
    "satisfiable": rpc.AnalyzeVariableSpaceResponse.SATISFIABILITY_SATISFIABLE,
}
_VERDICTS = {
    Verdict.SAME: rpc.SPACE_VERDICT_SAME,
    Verdict.WIDER: rpc.SPACE_VERDICT_WIDER,
    Verdict.NARROWER: rpc.SPACE_VERDICT_NARROWER,
    Verdict.INCOMPATIBLE: rpc.SPACE_VERDICT_INCOMPATIBLE,
}


@action(VariableSpace, "AnalyzeVariableSpace")
async def analyze(call: Call, request: rpc.AnalyzeVariableSpaceRequest) -> rpc.AnalyzeVariableSpaceResponse:
    """Says what is known of a space."""
    found = await call.get(
        VariableSpace, request.variable_space_id, revision=request.revision, verb="AnalyzeVariableSpace"
    )
    answer = await asyncio.to_thread(lambda: _analysis(space_of(found)))
    answer.revision = found.revision
    return answer


@action(VariableSpace, "DiffVariableSpaces")
async def diff(call: Call, request: rpc.DiffVariableSpacesRequest) -> rpc.DiffVariableSpacesResponse:
    """Says what differs."""
    verb = "DiffVariableSpaces"
    other = request.to_variable_space_id or request.variable_space_id
    old = await call.get(VariableSpace, request.variable_space_id, revision=request.revision, verb=verb)
    new = await call.get(VariableSpace, other, revision=request.to_revision, verb=verb)
    answer = await asyncio.to_thread(lambda: _told(difference(space_of(old), space_of(new))))
    answer.revision, answer.to_revision = old.revision, new.revision
    return answer


@action(VariableSpace, "MergeVariableSpaces")
async def merge(call: Call, request: rpc.MergeVariableSpacesRequest) -> rpc.MergeVariableSpacesResponse:
    """Takes over what another space changed since the common ancestor; conflicts are told, not decided."""
    async with call.transaction():
        await call.row(VariableSpace, request.variable_space_id, "MergeVariableSpaces", lock=True)
        ours = await call.get(VariableSpace, request.variable_space_id)
        theirs = await call.get(VariableSpace, request.from_variable_space_id, revision=request.from_revision)
        base = await _ancestor(call, request, ours, theirs)
        sides = [await asyncio.to_thread(_parts, each) for each in (base, ours, theirs)]
        made = [merged(*(side[index] for side in sides)) for index in range(2)]
        answer = _merge_answer(made, base)
        if answer.conflicts and not request.prefer:
            return answer
        if request.prefer == rpc.MergeVariableSpacesRequest.PREFER_THEIRS:
            made = [each.preferring_theirs() for each in made]
        space = await edited(call, request, "MergeVariableSpaces", lambda space: _put(space, made))
    answer.variable_space.CopyFrom(space)
    return answer


@action(VariableSpace, "CloneVariableSpace")
async def clone(call: Call, request: rpc.CloneVariableSpaceRequest) -> pb.VariableSpace:
    """Copies a revision under a new name; the copy belongs to the caller and remembers its parent."""
    async with call.transaction():
        parent = await call.get(
            VariableSpace, request.variable_space_id, revision=request.revision, verb="CloneVariableSpace"
        )
        copy = pb.VariableSpace()
        copy.CopyFrom(parent)
        copy.name, copy.visibility = request.new_name, pb.VariableSpace.VISIBILITY_PRIVATE
        lineage = {"parent_variable_space_id": UUID(parent.id), "parent_revision": parent.revision}
        return await call.create(VariableSpace, copy, hidden=lineage)


def _analysis(space: Space) -> rpc.AnalyzeVariableSpaceResponse:
    """Returns what is known of a space."""
    found = satisfiability(space)
    share = found.accepted / found.candidates if found.candidates else 0.0
    answer = rpc.AnalyzeVariableSpaceResponse(
        size=size_of(space, share),
        satisfiability=_SATISFIABILITY[found.verdict],
        reason=found.reason,
        candidates=found.candidates,
        acceptance_rate=share,
        broken_constraints=[rpc.BrokenConstraint(constraint_id=name, count=count) for name, count in found.broken],
    )
    read = {constraint.id: expression.names for constraint, expression in space.rules.constraints}
    for each in space.variables:
        extent = extent_of(each)
        answer.variables.add(
            name=each.name,
            kind=each.kind,
            discrete_cardinality=decimal(extent.combinations),
            is_infinite=extent.is_infinite,
            hints=hints_of(each.kind, each.notes),
            depends_on=sorted(space.rules.parents.get(each.name, ())),
            constraint_ids=[name for name, names in read.items() if each.name in names],
        )
    return answer


def _told(found: Difference) -> rpc.DiffVariableSpacesResponse:
    return rpc.DiffVariableSpacesResponse(
        variables=_changes(found.variables),
        constraints=_changes(found.constraints),
        verdict=_VERDICTS[found.verdict],
    )


def _changes(found: Changes) -> rpc.SpaceChanges:
    changed = [rpc.SpaceChange(name=c.name, fields=c.fields, verdict=_VERDICTS[c.verdict]) for c in found.changed]
    return rpc.SpaceChanges(added=found.added, removed=found.removed, changed=changed, reordered=found.reordered)


async def _ancestor(
    call: Call,
    request: rpc.MergeVariableSpacesRequest,
    ours: pb.VariableSpace,
    theirs: pb.VariableSpace,
) -> pb.VariableSpace:
    """Returns the common ancestor: the one that is named, else what one was cloned from the other, or both from."""
    named = request.base_variable_space_id, request.base_revision
    if named[0] and not named[1]:
        raise InvalidFields(FieldViolation("base_revision", "is required where the ancestor is named"))
    identifier, revision = named if named[0] else _common(ours, theirs)
    return await call.get(VariableSpace, identifier, revision=revision)


def _common(ours: pb.VariableSpace, theirs: pb.VariableSpace) -> tuple[str, int]:
    parents = [(each.parent_variable_space_id, each.parent_revision) for each in (ours, theirs)]
    if parents[0][0] == theirs.id:
        return parents[0]
    if parents[1][0] == ours.id:
        return parents[1]
    if parents[0][0] and parents[0][0] == parents[1][0]:
        return parents[0][0], min(parents[0][1], parents[1][1])
    raise InvalidFields(
        FieldViolation(
            "base_variable_space_id", "is required: neither space was cloned from the other, nor both from one"
        )
    )


def _parts(space: pb.VariableSpace) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the variables by name and the constraints by id, as JSON."""
    read = space_of(space)
    return dict(zip(read.names, read.to_json(), strict=True)), {each.id: each.to_json() for each in read.constraints}


def _put(space: pb.VariableSpace, made: list[Merged]) -> None:
    fresh = ParseDict(
        {"variables": list(made[0].items.values()), "constraints": list(made[1].items.values())}, pb.VariableSpace()
    )
    for name in ("variables", "constraints"):
        space.ClearField(name)
        getattr(space, name).extend(getattr(fresh, name))


def _merge_answer(made: list[Merged], base: pb.VariableSpace) -> rpc.MergeVariableSpacesResponse:
    conflicts = [
        _conflict(each, field)
        for field, part in zip(("variables", "constraints"), made, strict=True)
        for each in part.conflicts
    ]
    return rpc.MergeVariableSpacesResponse(
        conflicts=conflicts, base_variable_space_id=base.id, base_revision=base.revision
    )


def _conflict(conflict: Conflict, field: str) -> rpc.MergeConflict:
    sides: Mapping[str, Any] = {"base": conflict.base, "ours": conflict.ours, "theirs": conflict.theirs}
    given = {name: ParseDict(each, Value()) for name, each in sides.items() if each is not None}
    return rpc.MergeConflict(path=f"{field}.{conflict.name}", message=conflict.words(), **given)
