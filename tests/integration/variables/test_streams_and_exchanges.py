"""Configurations by stream, and spaces carried to other libraries and back, over the engine."""

import json
from typing import Any

import pytest
from ashgrove.variables.v1 import configuration_stream_requests_pb2 as stream
from ashgrove.variables.v1 import space_exchange_requests_pb2 as exchange
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import GenerateConfigurationsRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import ArchiveVariableSpaceRequest, CreateVariableSpaceRequest

from framework.errors import IllegalState, InvalidFields, NotFound
from framework.testing.workbench import Workbench

Strategy = GenerateConfigurationsRequest
FORMS = [each for each in exchange.SpaceFormat.values() if each]


async def space(bench: Workbench, constraint: str = "heat < 1.5") -> pb.VariableSpace:
    """A space of a float, a choice and a conditional integer, under a constraint."""
    made = pb.VariableSpace(name="exchanged")
    made.variables.add(name="heat", float=pb.FloatDomain(low=0, high=2)).default.number_value = 0.5
    choice = made.variables.add(name="way")
    for text in ("plain", "shown"):
        choice.choice.choices.add(string_value=text)
    made.variables.add(name="shots", integer=pb.IntegerDomain(low=1, high=8), when='way == "shown"')
    if constraint:
        made.constraints.add(id="rule", expression=constraint)
    created: pb.VariableSpace = await bench.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=made))
    return created


async def frames(bench: Workbench, found: pb.VariableSpace, **fields: Any) -> dict[str, list[Any]]:
    """Returns the frames of a stream by their kinds."""
    request = stream.StreamConfigurationsRequest(variable_space_id=found.id, **fields)
    told: dict[str, list[Any]] = {"item": [], "summary": [], "end": []}
    async for frame in bench.frames("StreamConfigurations", request):
        kind = frame.WhichOneof("frame")
        told[kind].append(getattr(frame, kind))
    return told


async def test_a_stream_gives_what_the_pages_give_and_can_be_taken_up(bench: Workbench) -> None:
    """By the next index of any item; the summary tells what is left of the design."""
    found = await space(bench)
    asked: dict[str, Any] = {"strategy": Strategy.STRATEGY_SOBOL, "seed": 3}
    told = await frames(bench, found, count=1500, **asked)
    assert [len(told[kind]) for kind in ("item", "summary", "end")] == [1500, 1, 1]
    request = GenerateConfigurationsRequest(variable_space_id=found.id, count=1000, **asked)
    page = await bench.do("GenerateConfigurations", request)
    assert [each.values for each in told["item"][:1000]] == list(page.configurations)
    assert told["item"][999].next_index == page.next_index > 1000
    rest = await frames(bench, found, count=500, index=page.next_index, **asked)
    assert rest["item"] == told["item"][1000:]
    summary, end = told["summary"][0], told["end"][0]
    assert (summary.revision, summary.next_index, end.status.code) == (1, told["item"][-1].next_index, 0)
    assert {each.variable for each in summary.stratification} == {"heat", "way", "shots"}
    assert all(0 < each.hit <= each.strata == 1500 for each in summary.stratification)


async def test_what_is_too_hard_to_find_ends_a_stream_with_its_reason(bench: Workbench) -> None:
    """What was found before is sent; an archived space is refused at once."""
    found = await space(bench, constraint="heat < 1e-9 && heat > 0")
    told = await frames(bench, found, count=50)
    assert told["item"] == [] and told["end"][0].status.code == 8
    await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=found.id))
    with pytest.raises(IllegalState):
        await frames(bench, found, count=5)
    with pytest.raises(InvalidFields, match="no continuous variable"):
        await frames(bench, await space(bench), count=5, strategy=Strategy.STRATEGY_GRID, levels_of={"way": 3})


@pytest.mark.parametrize("form", FORMS)
async def test_a_space_goes_to_another_library_and_comes_back(bench: Workbench, form: Any) -> None:
    """The document is JSON; what is lost is told, and the way back gives the rest."""
    found = await space(bench)
    request = exchange.ExportVariableSpaceRequest(variable_space_id=found.id, format=form)
    there = await bench.do("ExportVariableSpace", request)
    assert next(each.path for each in there.remarks if each.kind == each.KIND_LOST) == "constraints.rule"
    json.loads(there.content)
    read = exchange.ImportVariableSpaceRequest(format=form, content=there.content)
    back = await bench.do("ImportVariableSpace", read, bench.viewer)
    assert not back.remarks
    assert [each.name for each in back.variable_space.variables] == ["heat", "way", "shots"]
    assert back.variable_space.variables[2].when == 'way == "shown"'
    assert back.variable_space.size.discrete_cardinality == "9"
    if form != exchange.SPACE_FORMAT_AX:  # which knows no defaults
        assert back.variable_space.variables[0] == found.variables[0]


async def test_documents_are_refused_with_their_faults_and_spaces_of_others_are_missing(bench: Workbench) -> None:
    """Each fault at its path in the document."""
    for content, path in (
        ("{", "content"),
        ('{"parameters": [{"name": "a", "type": "range", "bounds": [1]}]}', "content.parameters[0].bounds"),
        ('{"parameters": [{"name": "a", "type": "range", "bounds": [2.5, 1.5]}]}', "variables[0].float.high"),
    ):
        with pytest.raises(InvalidFields) as refused:
            request = exchange.ImportVariableSpaceRequest(format=exchange.SPACE_FORMAT_AX, content=content)
            await bench.do("ImportVariableSpace", request)
        assert [each.path for each in refused.value.violations] == [path]
    found = await space(bench)
    with pytest.raises(NotFound):
        asked = exchange.ExportVariableSpaceRequest(variable_space_id=found.id, format=exchange.SPACE_FORMAT_AX)
        await bench.do("ExportVariableSpace", asked, bench.colleague)
