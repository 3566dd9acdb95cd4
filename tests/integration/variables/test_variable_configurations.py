"""Variable configurations: pinned to a revision, normalised, read by whoever may read their space."""

import pytest
from ashgrove.variables.v1 import variable_configuration_pb2 as pb
from ashgrove.variables.v1 import variable_space_pb2 as space_pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import (
    ArchiveVariableConfigurationRequest,
    CreateVariableConfigurationRequest,
    GetVariableConfigurationRequest,
    ListVariableConfigurationsRequest,
    ValidateConfigurationRequest,
)
from ashgrove.variables.v1.variable_space_requests_pb2 import (
    ArchiveVariableSpaceRequest,
    CreateVariableSpaceRequest,
    PurgeVariableSpaceRequest,
)

from framework.call import Actor
from framework.errors import AlreadyExists, IllegalState, InvalidFields, NotFound
from framework.testing.workbench import Workbench


async def made_space(bench: Workbench, name: str, *, public: bool = False) -> space_pb.VariableSpace:
    """A space of one integer with a default and one number without."""
    space = space_pb.VariableSpace(name=name, visibility=2 if public else 1)
    space.variables.add(name="shots", integer=space_pb.IntegerDomain(low=0, high=4)).default.number_value = 2
    space.variables.add(name="heat", float=space_pb.FloatDomain(low=0, high=1))
    created: space_pb.VariableSpace = await bench.do(
        "CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space)
    )
    return created


async def keep(
    bench: Workbench, space: space_pb.VariableSpace, actor: Actor | None = None, **values: object
) -> pb.VariableConfiguration:
    """Keeps a configuration of a space."""
    made = pb.VariableConfiguration(name="best", variable_space_id=space.id)
    made.values.update(values)
    request = CreateVariableConfigurationRequest(variable_configuration=made)
    created: pb.VariableConfiguration = await bench.do("CreateVariableConfiguration", request, actor)
    return created


async def test_values_are_kept_normalised_under_the_pinned_revision(bench: Workbench) -> None:
    """The hash is that of a validation of the same values."""
    space = await made_space(bench, "one")
    kept = await keep(bench, space, heat=0.25)
    assert dict(kept.values) == {"shots": 2, "heat": 0.25}
    assert (kept.variable_space_revision, kept.origin) == (1, pb.VariableConfiguration.ORIGIN_MANUAL)
    ask = ValidateConfigurationRequest(variable_space_id=space.id, values=kept.values)
    assert (await bench.do("ValidateConfiguration", ask)).content_hash == kept.content_hash


async def test_values_outside_the_space_are_refused_with_their_paths(bench: Workbench) -> None:
    """Every violation at once, below the request's field."""
    space = await made_space(bench, "two")
    with pytest.raises(InvalidFields) as refused:
        await keep(bench, space, shots=9, other=1)
    paths = {v.path for v in refused.value.violations}
    assert paths == {f"variable_configuration.values.{n}" for n in ("shots", "heat", "other")}


async def test_names_are_unique_among_an_owners_unarchived_configurations(bench: Workbench) -> None:
    """An archived one frees its name."""
    space = await made_space(bench, "three")
    kept = await keep(bench, space, heat=0)
    with pytest.raises(AlreadyExists):
        await keep(bench, space, heat=1)
    await bench.do("ArchiveVariableConfiguration", ArchiveVariableConfigurationRequest(id=kept.id))
    assert (await keep(bench, space, heat=1)).id != kept.id


async def test_who_may_read_the_space_reads_its_configurations(bench: Workbench) -> None:
    """A private space's are hidden, and cannot be written by guessing its id."""
    private, public = await made_space(bench, "private"), await made_space(bench, "public", public=True)
    hidden = await keep(bench, private, heat=0)
    shown = await keep(bench, public, bench.admin, heat=0)
    with pytest.raises(NotFound):
        await bench.do("GetVariableConfiguration", GetVariableConfigurationRequest(id=hidden.id), bench.viewer)
    assert await bench.do("GetVariableConfiguration", GetVariableConfigurationRequest(id=shown.id), bench.viewer)
    listed = await bench.do("ListVariableConfigurations", ListVariableConfigurationsRequest(), bench.viewer)
    assert [c.id for c in listed.variable_configurations] == [shown.id]
    with pytest.raises(NotFound):
        await keep(bench, private, bench.colleague, heat=0)


async def test_an_archived_space_takes_no_configurations(bench: Workbench) -> None:
    """Its kept ones stay readable."""
    space = await made_space(bench, "four")
    kept = await keep(bench, space, heat=0)
    await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=space.id))
    with pytest.raises(IllegalState):
        await keep(bench, space, heat=1)
    assert kept == await bench.do("GetVariableConfiguration", GetVariableConfigurationRequest(id=kept.id))


async def test_a_configuration_keeps_its_space_from_being_purged(bench: Workbench) -> None:
    """The refusal names what still refers to it."""
    space = await made_space(bench, "kept")
    await keep(bench, space, heat=0.5)
    await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=space.id))
    with pytest.raises(IllegalState) as refused:
        await bench.do("PurgeVariableSpace", PurgeVariableSpaceRequest(id=space.id), bench.admin)
    assert refused.value.metadata["referred_by"] == "variable_configurations"
