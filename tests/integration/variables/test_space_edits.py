"""Single edits of a space, each a revision over the very state that its editor has seen."""

import asyncio
from typing import Any

import pytest
from ashgrove.variables.v1 import space_edit_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_space_requests_pb2 import (
    ArchiveVariableSpaceRequest,
    CreateVariableSpaceRequest,
    GetVariableSpaceRequest,
    UpdateVariableSpaceRequest,
)

from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted, StaleEtag
from framework.testing.workbench import Workbench


async def made(bench: Workbench, name: str = "tuning", **fields: Any) -> pb.VariableSpace:
    """A space of two numbers and a constraint."""
    space = pb.VariableSpace(name=name, **fields)
    space.variables.add(name="heat", float=pb.FloatDomain(high=2)).default.number_value = 1
    space.variables.add(name="shots", integer=pb.IntegerDomain(high=4)).default.number_value = 1
    space.constraints.add(id="few", expression="shots <= 3")
    created: pb.VariableSpace = await bench.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space))
    return created


def number(name: str, low: float = 0, high: float = 1, **fields: Any) -> pb.Variable:
    """A variable of one number."""
    return pb.Variable(name=name, float=pb.FloatDomain(low=low, high=high), **fields)


async def paths(doing: Any) -> set[str]:
    """Returns where a call was refused."""
    with pytest.raises(InvalidFields) as refused:
        await doing
    return {v.path for v in refused.value.violations}


async def test_every_edit_makes_a_revision(bench: Workbench) -> None:
    """And the earlier ones stay as they were."""
    space = await made(bench)
    asked: list[tuple[str, Any]] = [
        ("AddVariable", rpc.AddVariableRequest(variable=number("top_p"), position=0)),
        ("UpdateVariable", rpc.UpdateVariableRequest(name="top_p", variable=number("nucleus", hints=["cost_impact"]))),
        ("ReorderVariables", rpc.ReorderVariablesRequest(names=["shots", "heat", "nucleus"])),
        ("RemoveVariable", rpc.RemoveVariableRequest(name="heat")),
        ("AddConstraint", rpc.AddConstraintRequest(constraint=pb.Constraint(id="even", expression="shots != 1"))),
        ("RemoveConstraint", rpc.RemoveConstraintRequest(constraint_id="few")),
    ]
    seen = []
    for revision, (name, request) in enumerate(asked, 2):
        request.variable_space_id, request.expected_revision = space.id, revision - 1
        space = await bench.do(name, request)
        assert space.revision == revision
        seen.append(([each.name for each in space.variables], [each.id for each in space.constraints]))
    assert seen == [
        (["top_p", "heat", "shots"], ["few"]),
        (["nucleus", "heat", "shots"], ["few"]),
        (["shots", "heat", "nucleus"], ["few"]),
        (["shots", "nucleus"], ["few"]),
        (["shots", "nucleus"], ["few", "even"]),
        (["shots", "nucleus"], ["even"]),
    ]
    first = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=space.id, revision=1))
    assert [each.name for each in first.variables] == ["heat", "shots"]
    assert space.size.discrete_dimensions == 1 and first.size.discrete_cardinality == "5"


async def test_of_two_editors_at_once_one_is_told(bench: Workbench) -> None:
    """Whether they go by the revision or by the etag; nothing is lost."""
    space = await made(bench)
    for place, locked in enumerate(({"expected_revision": 1}, {"etag": "2"})):
        names = [f"v{place}{index}" for index in range(4)]
        asked = [rpc.AddVariableRequest(variable_space_id=space.id, variable=number(n), **locked) for n in names]
        answers = await asyncio.gather(*(bench.do("AddVariable", each) for each in asked), return_exceptions=True)
        assert [type(each) for each in answers if isinstance(each, BaseException)] == [StaleEtag] * 3
    found = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=space.id))
    assert (found.revision, len(found.variables)) == (3, 4)


async def test_editors_who_expect_nothing_are_done_one_after_the_other(bench: Workbench) -> None:
    """Their edits never mix."""
    space = await made(bench)
    asked = [rpc.AddVariableRequest(variable_space_id=space.id, variable=number(f"v{index}")) for index in range(5)]
    await asyncio.gather(*(bench.do("AddVariable", each) for each in asked))
    found = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=space.id))
    assert (found.revision, len(found.variables)) == (6, 7)


async def test_what_comes_of_an_edit_must_be_sound(bench: Workbench) -> None:
    """Each fault where the request has it, or where the space has it; nothing is written."""
    space = await made(bench)
    own = {"variable_space_id": space.id}
    bad = number("shots", 3, 1)
    assert await paths(bench.do("AddVariable", rpc.AddVariableRequest(variable=bad, **own))) == {"variable.name"}
    bad.name = "other"
    assert await paths(bench.do("AddVariable", rpc.AddVariableRequest(variable=bad, **own))) == {"variable.float.high"}
    update = rpc.UpdateVariableRequest(name="shots", variable=number("x", when="missing > 1"), **own)
    assert await paths(bench.do("UpdateVariable", update)) == {
        "variable.when",
        "variable_space.constraints[0].expression",
    }
    remove = rpc.RemoveVariableRequest(name="shots", **own)
    assert await paths(bench.do("RemoveVariable", remove)) == {"variable_space.constraints[0].expression"}
    assert await paths(bench.do("RemoveVariable", rpc.RemoveVariableRequest(name="x", **own))) == {"name"}
    order = rpc.ReorderVariablesRequest(names=["heat", "x"], **own)
    assert await paths(bench.do("ReorderVariables", order)) == {"names", "names[1]"}
    again = rpc.AddConstraintRequest(constraint=pb.Constraint(id="few", expression="true"), **own)
    assert await paths(bench.do("AddConstraint", again)) == {"constraint.id"}
    never = rpc.AddConstraintRequest(constraint=pb.Constraint(id="never", expression="heat > 2"), **own)
    assert await paths(bench.do("AddConstraint", never)) == {"variable_space.constraints"}
    wrong = rpc.AddConstraintRequest(constraint=pb.Constraint(id="wrong", expression="heat >"), **own)
    assert await paths(bench.do("AddConstraint", wrong)) == {"constraint.expression"}
    gone = rpc.RemoveConstraintRequest(constraint_id="x", **own)
    assert await paths(bench.do("RemoveConstraint", gone)) == {"constraint_id"}
    assert (await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=space.id))).revision == 1


async def test_only_who_may_change_a_space_may_edit_it(bench: Workbench) -> None:
    """Hidden ones are not there; an archived one stays as it is."""
    hidden = await made(bench)
    public = await made(bench, "public", visibility=pb.VariableSpace.VISIBILITY_PUBLIC)
    edit = rpc.AddVariableRequest(variable_space_id=hidden.id, variable=number("x"))
    with pytest.raises(NotFound):
        await bench.do("AddVariable", edit, bench.colleague)
    edit.variable_space_id = public.id
    with pytest.raises(NotPermitted):
        await bench.do("AddVariable", edit, bench.colleague)
    await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=public.id))
    with pytest.raises(IllegalState):
        await bench.do("AddVariable", edit)


async def test_an_edit_can_be_tried_and_sent_twice(bench: Workbench) -> None:
    """As every write can."""
    space = await made(bench)
    edit = rpc.AddVariableRequest(variable_space_id=space.id, variable=number("x"), validate_only=True)
    assert (await bench.do("AddVariable", edit)).revision == 2
    edit.validate_only, edit.request_id = False, f"edit of {space.id}"
    first = await bench.do("AddVariable", edit)
    assert await bench.do("AddVariable", edit) == first and first.revision == 2


async def test_metadata_of_a_space_is_bounded_and_no_part_of_its_content(bench: Workbench) -> None:
    """Changing it makes no revision; that of a variable does."""
    space = await made(bench)
    change = pb.VariableSpace(id=space.id)
    change.metadata.update({"team": "search", "weights": [0.5, 1]})
    changed = await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=change))
    assert (changed.revision, dict(changed.metadata)["team"], changed.size.variable_count) == (1, "search", 2)
    variable = number("heat", 0, 2)
    variable.metadata.update({"sweet_spot": [0.3, 1]})
    edit = rpc.UpdateVariableRequest(variable_space_id=space.id, name="heat", variable=variable)
    assert (await bench.do("UpdateVariable", edit)).revision == 2
    change.metadata.update({"team": "x" * 20_000})
    refused = bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=change))
    assert await paths(refused) == {"variable_space.metadata"}
