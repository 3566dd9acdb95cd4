"""Analyses, differences, merges and copies of spaces."""

from typing import Any

import pytest
from ashgrove.variables.v1 import space_comparison_requests_pb2 as rpc
from ashgrove.variables.v1 import space_edit_requests_pb2 as edits
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest, GetVariableSpaceRequest
from google.protobuf.json_format import ParseDict

from framework.errors import InvalidFields, NotFound, StaleEtag
from framework.testing.workbench import Workbench

SPACE = {
    "variables": [
        {"name": "heat", "float": {"low": 0, "high": 1}},
        {"name": "shots", "integer": {"low": 0, "high": 4}, "hints": ["cost_impact"]},
        {"name": "order", "choice": {"choices": ["near", "far"]}, "when": "shots > 1"},
    ],
    "constraints": [{"id": "calm", "expression": "heat < 0.9 || shots > 0"}],
}


async def made(bench: Workbench, name: str = "tuning", actor: Any = None, **fields: Any) -> pb.VariableSpace:
    """A space."""
    space = ParseDict({"name": name, **SPACE, **fields}, pb.VariableSpace())
    request = CreateVariableSpaceRequest(variable_space=space)
    created: pb.VariableSpace = await bench.do("CreateVariableSpace", request, actor)
    return created


async def widen(bench: Workbench, space: pb.VariableSpace, name: str, high: float) -> pb.VariableSpace:
    """Gives a variable another range."""
    kind = {"integer": pb.IntegerDomain(high=int(high))} if name == "shots" else {"float": pb.FloatDomain(high=high)}
    variable = pb.Variable(name=name, **kind)  # type: ignore[arg-type]
    request = edits.UpdateVariableRequest(variable_space_id=space.id, name=name, variable=variable)
    changed: pb.VariableSpace = await bench.do("UpdateVariable", request)
    return changed


async def clone(
    bench: Workbench, space: pb.VariableSpace, name: str, actor: Any = None, revision: int = 0
) -> pb.VariableSpace:
    """A copy."""
    request = rpc.CloneVariableSpaceRequest(variable_space_id=space.id, new_name=name, revision=revision)
    copy: pb.VariableSpace = await bench.do("CloneVariableSpace", request, actor)
    return copy


async def test_an_analysis_says_what_is_known(bench: Workbench) -> None:
    """Of the space, and of each variable."""
    space = await made(bench)
    found = await bench.do("AnalyzeVariableSpace", rpc.AnalyzeVariableSpaceRequest(variable_space_id=space.id))
    assert (found.revision, found.size) == (1, space.size)
    assert found.satisfiability == rpc.AnalyzeVariableSpaceResponse.SATISFIABILITY_SATISFIABLE
    assert found.candidates == 200 and 0.9 < found.acceptance_rate < 1
    (broken,) = found.broken_constraints
    assert (broken.constraint_id, broken.count) == ("calm", round(200 * (1 - found.acceptance_rate)))
    assert (space.size.recommended_strategy, space.size.recommended_budget) == (pb.SpaceSize.STRATEGY_BAYESIAN, 60)
    told = {each.name: each for each in found.variables}
    assert list(told["shots"].hints) == ["discrete", "ordered", "cost_impact"]
    assert list(told["order"].depends_on) == ["shots"] and list(told["heat"].constraint_ids) == ["calm"]
    assert (told["heat"].is_infinite, told["shots"].discrete_cardinality, told["order"].kind) == (True, "5", "choice")


async def test_a_space_that_nothing_is_known_to_satisfy_is_said_to_be_unknown(bench: Workbench) -> None:
    """One that is proven empty is not even kept."""
    rare = [{"id": "rare", "expression": "shots % 5 == 4.5"}]
    space = await made(bench, constraints=rare)
    found = await bench.do("AnalyzeVariableSpace", rpc.AnalyzeVariableSpaceRequest(variable_space_id=space.id))
    assert found.satisfiability == rpc.AnalyzeVariableSpaceResponse.SATISFIABILITY_UNKNOWN
    assert (found.acceptance_rate, found.broken_constraints[0].count) == (0, 200)
    with pytest.raises(InvalidFields, match="never can never hold"):
        await made(bench, "other", constraints=[{"id": "never", "expression": "heat > 1"}])


async def test_revisions_and_spaces_are_told_apart(bench: Workbench) -> None:
    """Which is wider, and by what."""
    space = await made(bench)
    await widen(bench, space, "heat", 2)
    ask = rpc.DiffVariableSpacesRequest(variable_space_id=space.id, revision=1)
    found = await bench.do("DiffVariableSpaces", ask)
    (change,) = found.variables.changed
    assert (change.name, list(change.fields), change.verdict) == ("heat", ["float.high"], rpc.SPACE_VERDICT_WIDER)
    assert (found.verdict, found.revision, found.to_revision) == (rpc.SPACE_VERDICT_WIDER, 1, 2)
    ask = rpc.DiffVariableSpacesRequest(variable_space_id=space.id, revision=2, to_revision=1)
    assert (await bench.do("DiffVariableSpaces", ask)).verdict == rpc.SPACE_VERDICT_NARROWER
    other = await made(bench, "other", variables=SPACE["variables"][:2], constraints=[])
    ask = rpc.DiffVariableSpacesRequest(variable_space_id=space.id, revision=1, to_variable_space_id=other.id)
    found = await bench.do("DiffVariableSpaces", ask)
    assert (list(found.variables.removed), list(found.constraints.removed)) == (["order"], ["calm"])
    assert found.verdict == rpc.SPACE_VERDICT_INCOMPATIBLE
    with pytest.raises(NotFound):
        await bench.do("DiffVariableSpaces", ask, bench.colleague)


async def test_a_clone_is_the_callers_own_and_remembers_what_it_is_of(bench: Workbench) -> None:
    """A public space may be cloned by everybody but viewers."""
    space = await made(bench, visibility="VISIBILITY_PUBLIC")
    await widen(bench, space, "heat", 2)
    copy = await clone(bench, space, "mine", bench.colleague, revision=1)
    assert (copy.owner_id, copy.parent_variable_space_id, copy.parent_revision) == (bench.colleague.id, space.id, 1)
    assert (copy.content_hash, copy.revision) == (space.content_hash, 1)
    assert copy.visibility == pb.VariableSpace.VISIBILITY_PRIVATE


async def test_a_merge_takes_over_what_the_other_side_changed(bench: Workbench) -> None:
    """The common ancestor follows from the cloning, whichever way; the etag and the revision lock."""
    space = await made(bench)
    copy = await clone(bench, space, "copy")
    await widen(bench, copy, "heat", 2)
    space = await widen(bench, space, "shots", 9)
    request = rpc.MergeVariableSpacesRequest(variable_space_id=space.id, from_variable_space_id=copy.id)
    request.expected_revision = 1
    with pytest.raises(StaleEtag):
        await bench.do("MergeVariableSpaces", request)
    request.expected_revision = 2
    found = await bench.do("MergeVariableSpaces", request)
    assert not found.conflicts and (found.base_variable_space_id, found.base_revision) == (space.id, 1)
    merged = found.variable_space
    assert (merged.revision, merged.variables[0].float.high, merged.variables[1].integer.high) == (3, 2, 9)
    back = rpc.MergeVariableSpacesRequest(variable_space_id=copy.id, from_variable_space_id=space.id)
    taken = (await bench.do("MergeVariableSpaces", back)).variable_space
    assert (taken.revision, taken.content_hash) == (3, merged.content_hash)


async def test_conflicts_are_named_and_decided_by_whoever_merges(bench: Workbench) -> None:
    """Nothing is changed until then."""
    space = await made(bench)
    copy = await clone(bench, space, "copy")
    await widen(bench, copy, "heat", 2)
    await widen(bench, space, "heat", 3)
    request = rpc.MergeVariableSpacesRequest(variable_space_id=space.id, from_variable_space_id=copy.id)
    found = await bench.do("MergeVariableSpaces", request)
    (conflict,) = found.conflicts
    assert conflict.path == "variables.heat" and "both sides" in conflict.message
    highs = [getattr(conflict, side).struct_value["float"]["high"] for side in ("base", "ours", "theirs")]
    assert highs == [1, 3, 2] and not found.HasField("variable_space")
    assert (await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=space.id))).revision == 2
    request.prefer = rpc.MergeVariableSpacesRequest.PREFER_THEIRS
    found = await bench.do("MergeVariableSpaces", request)
    assert found.variable_space.variables[0].float.high == 2 and len(found.conflicts) == 1


async def test_a_merge_needs_an_ancestor_and_gives_a_sound_space(bench: Workbench) -> None:
    """Strangers have one only where it is named."""
    space, other = await made(bench), await made(bench, "other")
    await bench.do("RemoveConstraint", edits.RemoveConstraintRequest(variable_space_id=space.id, constraint_id="calm"))
    await bench.do("RemoveVariable", edits.RemoveVariableRequest(variable_space_id=space.id, name="heat"))
    more = pb.Constraint(id="warm", expression="heat > 0.1")
    await bench.do("AddConstraint", edits.AddConstraintRequest(variable_space_id=other.id, constraint=more))
    request = rpc.MergeVariableSpacesRequest(variable_space_id=space.id, from_variable_space_id=other.id)
    with pytest.raises(InvalidFields, match="base_variable_space_id"):
        await bench.do("MergeVariableSpaces", request)
    request.base_variable_space_id = other.id
    with pytest.raises(InvalidFields, match="base_revision"):
        await bench.do("MergeVariableSpaces", request)
    request.base_revision = 1
    with pytest.raises(InvalidFields, match=r"constraints\[0\].expression: .*heat is not a variable"):
        await bench.do("MergeVariableSpaces", request)
