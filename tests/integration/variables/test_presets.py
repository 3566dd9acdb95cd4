"""Presets: an organization's own, the platform's catalogue, and the spaces that are made of them."""

from typing import Any

import pytest
from ashgrove.variables.v1 import variable_preset_pb2 as pb
from ashgrove.variables.v1 import variable_preset_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import GenerateConfigurationsRequest

from framework.errors import AlreadyExists, InvalidFields, NotPermitted
from framework.testing.workbench import Workbench
from services.variables.presets import catalogue


async def create(bench: Workbench, actor: Any = None, **fields: Any) -> pb.VariablePreset:
    """A preset of a temperature, unless other fields say otherwise."""
    usual = {"variable": space_pb.Variable(name="temperature", float=space_pb.FloatDomain(low=0, high=1))}
    request = rpc.CreateVariablePresetRequest(variable_preset=pb.VariablePreset(**(usual | fields)))
    made: pb.VariablePreset = await bench.do("CreateVariablePreset", request, actor)
    return made


async def space_of(bench: Workbench, *presets: str, actor: Any = None) -> space_pb.VariableSpace:
    """A space made of presets."""
    request = rpc.CreateVariableSpaceFromPresetsRequest(name="made", presets=presets)
    made: space_pb.VariableSpace = await bench.do("CreateVariableSpaceFromPresets", request, actor)
    return made


async def test_a_preset_is_named_by_its_variable_and_edited_by_its_owner(bench: Workbench) -> None:
    """One of a name; read by everybody of the organization."""
    made = await create(bench, category="sampling", metadata={"sweet_spot": 1})
    assert (made.name, made.status) == ("temperature", pb.VariablePreset.STATUS_ACTIVE)
    with pytest.raises(AlreadyExists):
        await create(bench, bench.colleague)
    assert await bench.do("GetVariablePreset", rpc.GetVariablePresetRequest(id=made.id), bench.viewer) == made
    made.variable.float.high = 2
    change = rpc.UpdateVariablePresetRequest(variable_preset=made)
    with pytest.raises(NotPermitted):
        await bench.do("UpdateVariablePreset", change, bench.colleague)
    assert (await bench.do("UpdateVariablePreset", change)).variable.float.high == 2


async def test_what_is_no_variable_or_no_rule_is_refused_at_its_place(bench: Workbench) -> None:
    """Names that only a space has may be read."""
    wrong = space_pb.Variable(name="t", float=space_pb.FloatDomain(low=2, high=1))
    with pytest.raises(InvalidFields) as refused:
        await create(bench, variable=wrong)
    assert [each.path for each in refused.value.violations] == ["variable_preset.variable.float.high"]
    fine = space_pb.Variable(name="t", boolean=space_pb.BooleanDomain(), when="other > 1")
    with pytest.raises(InvalidFields) as refused:
        await create(bench, variable=fine, constraints=[space_pb.Constraint(id="c", expression="t &&")])
    assert [each.path for each in refused.value.violations] == ["variable_preset.constraints[0].expression"]
    assert (await create(bench, variable=fine)).name == "t"


async def test_the_catalogue_fills_up_what_an_organization_lacks(bench: Workbench) -> None:
    """Its own stay; doing it again adds nothing; only administrators do it."""
    own = await create(bench)
    request = rpc.AddDefaultPresetsRequest()
    with pytest.raises(NotPermitted):
        await bench.do("AddDefaultPresets", request)
    added = await bench.do("AddDefaultPresets", request, bench.admin)
    names = {each.name for each in added.variable_presets}
    assert names == {each.variable.name for each in catalogue()} - {"temperature"}
    assert not (await bench.do("AddDefaultPresets", request, bench.admin)).variable_presets
    assert await bench.do("GetVariablePreset", rpc.GetVariablePresetRequest(id=own.id)) == own


async def test_spaces_are_made_of_copies_with_the_rules_that_they_can_hold(bench: Workbench) -> None:
    """A rule that reads a variable which the space lacks stays behind; later edits of a preset change no space."""
    await bench.do("AddDefaultPresets", rpc.AddDefaultPresetsRequest(), bench.admin)
    names = [each.variable.name for each in catalogue()]
    whole = await space_of(bench, *names)
    assert [each.name for each in whole.variables] == names
    assert {each.id for each in whole.constraints} == {"offered", "calm", "window"}
    drawn = GenerateConfigurationsRequest(variable_space_id=whole.id, count=20)
    assert len((await bench.do("GenerateConfigurations", drawn)).configurations) == 20
    with pytest.raises(InvalidFields) as refused:
        await space_of(bench, "temperature", "nothing", "neither")
    assert [each.path for each in refused.value.violations] == ["presets[1]", "presets[2]"]
    await create(bench, variable=space_pb.Variable(name="t", boolean=space_pb.BooleanDomain(), when="other > 1"))
    with pytest.raises(InvalidFields) as refused:
        await space_of(bench, "temperature", "t")
    assert [each.path for each in refused.value.violations] == ["presets[1].variable.when"]
    with pytest.raises(NotPermitted):
        await space_of(bench, "temperature", actor=bench.viewer)


async def test_the_catalogue_is_tried_without_being_added_and_added_once_however_often_it_is_sent(
    bench: Workbench,
) -> None:
    """The answer that is kept is the first one: the second time there is nothing to add."""
    tried = await bench.do("AddDefaultPresets", rpc.AddDefaultPresetsRequest(validate_only=True), bench.admin)
    assert len(tried.variable_presets) == len(catalogue()) and not tried.variable_presets[0].id
    assert not (await bench.do("ListVariablePresets", rpc.ListVariablePresetsRequest())).variable_presets
    once = rpc.AddDefaultPresetsRequest(request_id="once")
    first, again = [await bench.do("AddDefaultPresets", once, bench.admin) for _ in range(2)]
    assert first == again and len(first.variable_presets) == len(catalogue())
