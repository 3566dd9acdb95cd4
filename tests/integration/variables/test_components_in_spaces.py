"""Components, and the spaces that choose among them."""

from typing import Any

import pytest
from ashgrove.variables.v1 import component_pb2 as pb
from ashgrove.variables.v1 import component_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.space_comparison_requests_pb2 import CloneVariableSpaceRequest
from ashgrove.variables.v1.variable_configuration_requests_pb2 import ValidateConfigurationRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest, UpdateVariableSpaceRequest

from framework.errors import AlreadyExists, InvalidFields, NotPermitted
from framework.testing.workbench import Workbench


async def component(
    bench: Workbench, name: str, interface: str = "reasoning", actor: Any = None, **fields: Any
) -> pb.Component:
    """A component."""
    made = pb.Component(name=name, interface=interface, **fields)
    created: pb.Component = await bench.do("CreateComponent", rpc.CreateComponentRequest(component=made), actor)
    return created


def space(*modules: tuple[str, str, list[str]], name: str = "parts") -> space_pb.VariableSpace:
    """A space of module variables: name, interface, component ids."""
    made = space_pb.VariableSpace(name=name)
    for variable, interface, ids in modules:
        domain = made.variables.add(name=variable).module
        domain.interface = interface
        for each in ids:
            domain.components.add(id=each)
    return made


async def create(bench: Workbench, made: space_pb.VariableSpace) -> space_pb.VariableSpace:
    """Creates a space."""
    created: space_pb.VariableSpace = await bench.do(
        "CreateVariableSpace", CreateVariableSpaceRequest(variable_space=made)
    )
    return created


async def refusals(bench: Workbench, made: space_pb.VariableSpace) -> dict[str, str]:
    """Returns what is wrong with a space, by path."""
    with pytest.raises(InvalidFields) as refused:
        await create(bench, made)
    return {v.path: v.message for v in refused.value.violations}


async def test_a_component_is_known_by_name_and_version(bench: Workbench) -> None:
    """Unique among those in use; read by everybody, written by its owner."""
    made = await component(bench, "react", version="2", capabilities=["tools"])
    assert (made.reference, made.status) == ("react@2", pb.Component.STATUS_ACTIVE)
    with pytest.raises(AlreadyExists):
        await component(bench, "react", version="2", actor=bench.colleague)
    assert await bench.do("GetComponent", rpc.GetComponentRequest(id=made.id), bench.viewer) == made
    with pytest.raises(NotPermitted):
        await bench.do("ArchiveComponent", rpc.ArchiveComponentRequest(id=made.id), bench.colleague)
    await bench.do("ArchiveComponent", rpc.ArchiveComponentRequest(id=made.id))
    assert (await component(bench, "react", version="2")).id != made.id
    with pytest.raises(InvalidFields, match=r"component\.metadata"):
        big = pb.Component(name="big", interface="reasoning")
        big.metadata.update({"a": "x" * 20_000})
        await bench.do("CreateComponent", rpc.CreateComponentRequest(component=big))


async def test_the_platform_brings_along_what_the_program_service_knows(bench: Workbench) -> None:
    """The same for everybody; a space may choose among them at once."""
    found = await bench.do(
        "ListBuiltInComponents", rpc.ListBuiltInComponentsRequest(order_by="reference"), bench.viewer
    )
    assert {each.reference: dict(each.slots) for each in found.built_in_components} == {
        "chain_of_thought": {"main": "predict"},
        "chat": {},
        "predict": {"main": "self"},
    }
    made = await create(bench, space(("reasoning", "reasoning", ["predict", "chain_of_thought"])))
    assert list(made.variables[0].module.components[1].capabilities) == ["text", "reasoning"]


async def test_the_slots_of_built_in_components_are_paths_of_dspys_modules(bench: Workbench) -> None:
    """Where its own modules keep their prompts."""
    import dspy

    signature = dspy.Signature({"text": (str, dspy.InputField()), "language": (str, dspy.OutputField())})
    modules = {"predict": dspy.Predict(signature), "chain_of_thought": dspy.ChainOfThought(signature)}
    found = await bench.do("ListBuiltInComponents", rpc.ListBuiltInComponentsRequest(filter="interface = reasoning"))
    for each in found.built_in_components:
        paths = {path for path, _ in modules[each.reference].named_predictors()}
        assert set(each.slots.values()) == paths


async def test_unknown_archived_and_unfitting_components_are_refused_by_place(bench: Workbench) -> None:
    """All at once, with whatever else is wrong, also within groups and branches."""
    gone = await component(bench, "gone")
    await bench.do("ArchiveComponent", rpc.ArchiveComponentRequest(id=gone.id))
    made = space(("a", "reasoning", ["gone", "never", "predict", "chat"]))
    made.variables[0].module.components[2].capabilities.append("flight")
    inner = made.variables.add(name="g").group.variables.add(name="m").module
    inner.interface = "adapter"
    inner.components.add(id="predict")
    made.variables.add(name="x", float=space_pb.FloatDomain(low=2, high=1))
    branch = made.variables.add(name="c").conditional
    branch.condition = "x > 1"
    branch.then.module.CopyFrom(inner)
    prefix = "variable_space.variables"
    assert set(await refusals(bench, made)) == {
        f"{prefix}[0].module.components[0].id",
        f"{prefix}[0].module.components[1].id",
        f"{prefix}[0].module.components[2].capabilities",
        f"{prefix}[0].module.components[3].id",
        f"{prefix}[1].group.variables[0].module.components[0].id",
        f"{prefix}[2].float.high",
        f"{prefix}[3].conditional.then.module.components[0].id",
    }


async def test_an_organizations_own_component_takes_the_place_of_a_built_in_one(bench: Workbench) -> None:
    """Until it is archived."""
    own = await component(bench, "predict", capabilities=["swift"])
    made = await create(bench, space(("reasoning", "reasoning", ["predict"])))
    assert list(made.variables[0].module.components[0].capabilities) == ["swift"]
    await bench.do("ArchiveComponent", rpc.ArchiveComponentRequest(id=own.id))
    made = await create(bench, space(("reasoning", "reasoning", ["predict"]), name="later"))
    assert list(made.variables[0].module.components[0].capabilities) == ["text"]


async def test_a_space_keeps_what_its_components_were(bench: Workbench) -> None:
    """Whatever becomes of them: only what is written anew is looked up again."""
    own = await component(bench, "tree", capabilities=["deep"])
    made = await create(bench, space(("reasoning", "reasoning", ["tree"])))
    change = pb.Component(id=own.id, capabilities=["wide"])
    await bench.do("UpdateComponent", rpc.UpdateComponentRequest(component=change))
    await bench.do("ArchiveComponent", rpc.ArchiveComponentRequest(id=own.id))
    made.variables.add(name="x", boolean=space_pb.BooleanDomain())
    grown = await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=made))
    assert grown.revision == 2 and list(grown.variables[0].module.components[0].capabilities) == ["deep"]
    clone = CloneVariableSpaceRequest(variable_space_id=made.id, new_name="copy")
    assert (await bench.do("CloneVariableSpace", clone)).variables == grown.variables


async def test_components_that_do_not_go_together_are_never_drawn_together(bench: Workbench) -> None:
    """What the components say is part of the space that names them."""
    await component(bench, "json", "adapter")
    await component(bench, "tool", compatibility=[space_pb.Compatibility(interface="adapter", components=["json"])])
    made = await create(bench, space(("r", "reasoning", ["predict", "tool"]), ("a", "adapter", ["chat", "json"])))
    assert 0.5 < made.size.feasible_share < 0.95 or not made.constraints
    ask = ValidateConfigurationRequest(variable_space_id=made.id)
    ask.values.update({"r": "tool", "a": "chat"})
    (violation,) = (await bench.do("ValidateConfiguration", ask)).violations
    assert violation.constraint_id == "compatible-r-a"
