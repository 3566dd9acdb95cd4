"""Variable spaces through the engine, on a real database."""

import threading

import pytest
from ashgrove.variables.v1 import variable_space_pb2 as pb
from ashgrove.variables.v1.variable_configuration_requests_pb2 import (
    GenerateConfigurationsRequest,
    ValidateConfigurationRequest,
)
from ashgrove.variables.v1.variable_space_requests_pb2 import (
    ArchiveVariableSpaceRequest,
    CreateVariableSpaceRequest,
    GetVariableSpaceRequest,
    ListVariableSpacesRequest,
    UpdateVariableSpaceRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Value
from grpc import StatusCode

from framework.call import ANONYMOUS
from framework.errors import Failure, IllegalState, InvalidFields, NotFound, NotPermitted, StaleEtag, Unauthenticated
from framework.testing.workbench import Workbench
from services.variables.variable_spaces import VariableSpace


def space(name: str = "tuning", **fields: object) -> pb.VariableSpace:
    """A sound space of two variables."""
    made = pb.VariableSpace(name=name, **fields)  # type: ignore[arg-type]
    made.variables.add(name="temperature", float=pb.FloatDomain(low=0, high=2)).default.number_value = 0.7
    made.variables.add(name="shots", integer=pb.IntegerDomain(low=0, high=4))
    return made


async def create(bench: Workbench, made: pb.VariableSpace) -> pb.VariableSpace:
    """Creates a space as the user."""
    created: pb.VariableSpace = await bench.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=made))
    return created


async def test_a_created_space_is_what_is_read_with_derived_fields(bench: Workbench) -> None:
    """Size, status, owner, revision and hash are the server's."""
    created = await create(bench, space())
    assert created == await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id))
    assert created.status == pb.VariableSpace.STATUS_ACTIVE
    assert created.visibility == pb.VariableSpace.VISIBILITY_PRIVATE
    assert (created.owner_id, created.revision, created.etag) == (bench.user.id, 1, "1")
    assert created.size.is_infinite and created.size.discrete_cardinality == "5"
    assert len(created.content_hash) == 64


async def test_every_violation_is_told_with_its_path(bench: Workbench) -> None:
    """Bounds of the proto and of the domain alike name the place in the request."""
    bad = space()
    bad.variables.add(name="shots", float=pb.FloatDomain(low=3, high=1))
    with pytest.raises(InvalidFields) as refused:
        await create(bench, bad)
    assert {"variable_space.variables[2].name", "variable_space.variables[2].float.high"} == {
        v.path for v in refused.value.violations
    }
    with pytest.raises(InvalidFields) as refused:
        await create(bench, pb.VariableSpace(name=" x"))
    assert {v.path for v in refused.value.violations} == {"variable_space.name", "variable_space.variables"}


async def test_a_change_of_the_variables_makes_a_revision_and_the_old_one_stays(bench: Workbench) -> None:
    """A rename makes none."""
    created = await create(bench, space())
    renamed = await bench.do(
        "UpdateVariableSpace",
        UpdateVariableSpaceRequest(variable_space=pb.VariableSpace(id=created.id, name="other")),
    )
    assert (renamed.revision, renamed.name, renamed.content_hash) == (1, "other", created.content_hash)
    wider = space("ignored")
    wider.id = created.id
    wider.variables[1].integer.high = 9
    mask = FieldMask(paths=["variables"])
    grown = await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=wider, update_mask=mask))
    assert (grown.revision, grown.name, grown.size.discrete_cardinality) == (2, "other", "10")
    earlier = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id, revision=1))
    assert earlier.variables == created.variables and earlier.content_hash == created.content_hash
    assert earlier.size == created.size
    with pytest.raises(NotFound):
        await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id, revision=3))


async def test_a_stale_etag_writes_nothing(bench: Workbench) -> None:
    """ABORTED names the current one."""
    created = await create(bench, space())
    change = pb.VariableSpace(id=created.id, name="a", etag=created.etag)
    await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=change))
    with pytest.raises(StaleEtag) as stale:
        await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=change))
    assert stale.value.metadata["current_etag"] == "2"


async def test_an_archived_space_is_readable_hidden_from_lists_and_frozen(bench: Workbench) -> None:
    """Archiving twice is no error."""
    created = await create(bench, space())
    archived = await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=created.id))
    assert archived.status == pb.VariableSpace.STATUS_ARCHIVED and archived.HasField("archived_at")
    assert archived == await bench.do("ArchiveVariableSpace", ArchiveVariableSpaceRequest(id=created.id))
    listed = await bench.do("ListVariableSpaces", ListVariableSpacesRequest())
    assert not listed.variable_spaces
    listed = await bench.do("ListVariableSpaces", ListVariableSpacesRequest(show_archived=True))
    assert [s.id for s in listed.variable_spaces] == [created.id]
    for name, request in {
        "UpdateVariableSpace": UpdateVariableSpaceRequest(variable_space=pb.VariableSpace(id=created.id, name="x")),
        "GenerateConfigurations": GenerateConfigurationsRequest(variable_space_id=created.id, count=1),
    }.items():
        with pytest.raises(IllegalState):
            await bench.do(name, request)


async def test_private_spaces_are_their_owners_and_public_ones_are_only_read(bench: Workbench) -> None:
    """Viewers read and draw, colleagues do not write, administrators do all, nobody is nobody."""
    private = await create(bench, space("private"))
    public = await create(bench, space("public", visibility=pb.VariableSpace.VISIBILITY_PUBLIC))
    for other in (bench.colleague, bench.viewer):
        with pytest.raises(NotFound):
            await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=private.id), other)
        assert await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=public.id), other)
        draw = GenerateConfigurationsRequest(variable_space_id=public.id, count=2)
        assert len((await bench.do("GenerateConfigurations", draw, other)).configurations) == 2
        change = UpdateVariableSpaceRequest(variable_space=pb.VariableSpace(id=public.id, name="mine"))
        with pytest.raises(NotPermitted):
            await bench.do("UpdateVariableSpace", change, other)
    with pytest.raises(NotPermitted):
        await bench.do("CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space("v")), bench.viewer)
    with pytest.raises(Unauthenticated):
        await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=public.id), ANONYMOUS)
    change = UpdateVariableSpaceRequest(variable_space=pb.VariableSpace(id=private.id, name="ruled"))
    assert (await bench.do("UpdateVariableSpace", change, bench.admin)).owner_id == bench.user.id


async def test_only_an_earlier_revision_is_measured_again(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And on a thread: a large space takes a second, in which nobody else would be answered."""
    created = await create(bench, space())
    created.variables.add(name="other", boolean=pb.BooleanDomain())
    mask = FieldMask(paths=["variables"])
    await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=created, update_mask=mask))
    measured: list[threading.Thread] = []
    monkeypatch.setattr(VariableSpace, "derive", lambda self, message: measured.append(threading.current_thread()))
    current = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id, revision=2))
    assert current == await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id))
    assert not measured
    await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id, revision=1))
    assert len(measured) == 1 and measured[0] is not threading.main_thread()


async def test_the_same_seed_and_revision_give_the_same_configurations(bench: Workbench) -> None:
    """More of them begin with the same ones."""
    created = await create(bench, space())
    draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=3, seed=7)
    few = await bench.do("GenerateConfigurations", draw)
    draw.count = 5
    many = await bench.do("GenerateConfigurations", draw)
    assert list(few.configurations) == list(many.configurations)[:3]
    assert few.revision == 1


async def test_validation_judges_values_and_never_fails(bench: Workbench) -> None:
    """Defaults are filled in; every violation has path and code."""
    created = await create(bench, space())
    ask = ValidateConfigurationRequest(variable_space_id=created.id)
    ask.values.update({"shots": 3})
    good = await bench.do("ValidateConfiguration", ask)
    assert good.valid and dict(good.normalized_values) == {"temperature": 0.7, "shots": 3}
    ask.values.update({"shots": 9.5, "unknown": 1, "temperature": "warm"})
    bad = await bench.do("ValidateConfiguration", ask)
    assert not bad.valid and not bad.HasField("normalized_values") and not bad.content_hash
    assert {v.path for v in bad.violations} == {"values.shots", "values.unknown", "values.temperature"}


async def test_what_cannot_be_stored_is_refused_by_its_place(bench: Workbench) -> None:
    """NaN and U+0000 never reach the database."""
    created = await create(bench, space())
    ask = ValidateConfigurationRequest(variable_space_id=created.id)
    ask.values.update({"temperature": float("nan"), "shots": [1, {"a": "\0"}]})
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ValidateConfiguration", ask)
    assert {v.path for v in refused.value.violations} == {"values.temperature", "values.shots[1].a"}
    with pytest.raises(InvalidFields) as refused:
        await create(bench, space("a\0b"))
    assert {v.path for v in refused.value.violations} == {"variable_space.name"}


def conditional(expression: str = "shots <= 3") -> pb.VariableSpace:
    """A space with a condition and a constraint."""
    made = space()
    made.variables.add(name="order", when="shots > 1").choice.choices.add(string_value="nearest")
    made.constraints.add(id="few", expression=expression, message="too many", suggested_fix="take three")
    return made


async def test_conditions_and_constraints_are_kept_drawn_and_judged(bench: Workbench) -> None:
    """Through storage and back; what is drawn is valid, what is not says why."""
    created = await create(bench, conditional())
    assert created == await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id))
    assert created.constraints == conditional().constraints and created.variables == conditional().variables
    assert (created.size.conditional_dimensions, created.size.discrete_cardinality) == (1, "5")
    draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=50, seed=7)
    drawn = (await bench.do("GenerateConfigurations", draw)).configurations
    assert {("order" in each, each["shots"] > 1) for each in drawn} == {(True, True), (False, False)}
    assert all(each["shots"] <= 3 for each in drawn)
    ask = ValidateConfigurationRequest(variable_space_id=created.id)
    ask.values.update({"shots": 4, "order": "nearest"})
    (violation,) = (await bench.do("ValidateConfiguration", ask)).violations
    assert (violation.path, violation.code, violation.constraint_id) == ("values.shots", "CONSTRAINT", "few")
    assert (violation.message, violation.suggested_fix, violation.variables) == ("too many", "take three", ["shots"])


async def test_structured_variables_are_kept_drawn_and_judged(bench: Workbench) -> None:
    """Objects and computed values go through storage and Struct unharmed."""
    made = space()
    group = made.variables.add(name="sampler").group
    group.variables.add(name="nucleus", boolean=pb.BooleanDomain())
    group.variables.add(name="top_p", float=pb.FloatDomain(high=1), when="nucleus")
    made.variables.add(name="calls").computed.expression = "shots * 2 + 1"
    made.constraints.add(id="cool", expression="!has(sampler.top_p) || temperature < 1")
    created = await create(bench, made)
    assert created == await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id))
    draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=20, seed=7)
    for drawn in (await bench.do("GenerateConfigurations", draw)).configurations:
        assert drawn["calls"] == drawn["shots"] * 2 + 1
        ask = ValidateConfigurationRequest(variable_space_id=created.id, values=drawn)
        judged = await bench.do("ValidateConfiguration", ask)
        assert judged.valid and judged.normalized_values == drawn


async def test_a_change_of_the_constraints_makes_a_revision(bench: Workbench) -> None:
    """A revision from before there were constraints has none, whatever there is now."""
    created = await create(bench, space())
    async with bench.database.system() as tx:
        await tx.execute("UPDATE variable_spaces_revisions SET content = content - 'constraints'", {})
    wanted = conditional()
    wanted.id = created.id
    changed = await bench.do("UpdateVariableSpace", UpdateVariableSpaceRequest(variable_space=wanted))
    assert (changed.revision, len(changed.constraints)) == (2, 1)
    earlier = await bench.do("GetVariableSpace", GetVariableSpaceRequest(id=created.id, revision=1))
    assert not earlier.constraints and earlier.variables == created.variables


async def test_a_space_that_is_proven_empty_is_refused(bench: Workbench) -> None:
    """Where every combination can be tried."""
    made = pb.VariableSpace(name="empty")
    made.variables.add(name="shots", integer=pb.IntegerDomain(high=4))
    made.constraints.add(id="many", expression="shots > 9")
    with pytest.raises(InvalidFields, match="none of 5 combinations is valid") as refused:
        await create(bench, made)
    assert [v.path for v in refused.value.violations] == ["variable_space.constraints"]


async def test_a_space_that_seems_unsatisfiable_is_said_to_be(bench: Workbench) -> None:
    """With the acceptance rate and the constraint that is broken most."""
    created = await create(bench, conditional("shots % 5 == 4.5"))
    assert created.size.feasible_share == 0
    draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=1)
    with pytest.raises(Failure) as refused:
        await bench.do("GenerateConfigurations", draw)
    assert refused.value.code is StatusCode.RESOURCE_EXHAUSTED
    assert refused.value.metadata == {"candidates": "256", "accepted": "0", "most_violated": "few"}


@pytest.mark.parametrize("name", sorted(GenerateConfigurationsRequest.Strategy.keys()))
async def test_every_strategy_gives_valid_configurations_page_by_page(bench: Workbench, name: str) -> None:
    """The same ones in one page or in two, each known from its index."""
    made = conditional()
    made.variables[1].integer.low, made.variables[1].integer.high = 1, 3
    for variable, default in ((made.variables[1], 2), (made.variables[2], "nearest")):
        variable.default.CopyFrom(Value(number_value=2) if default == 2 else Value(string_value="nearest"))
    created = await create(bench, made)
    draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=6, seed=7, total=6, levels=2)
    draw.strategy = GenerateConfigurationsRequest.Strategy.Value(name)
    for heat, shots in ((0.5, 3), (1.5, 1)):
        draw.around.add().update({"temperature": heat, "shots": shots} | ({"order": "nearest"} if shots > 1 else {}))
    whole = await bench.do("GenerateConfigurations", draw)
    draw.count = 3
    first = await bench.do("GenerateConfigurations", draw)
    draw.index = first.next_index
    second = await bench.do("GenerateConfigurations", draw)
    assert list(whole.configurations) == [*first.configurations, *second.configurations]
    assert len(whole.configurations) == (1 if name == "STRATEGY_DEFAULT" else 6)
    for values in whole.configurations:
        ask = ValidateConfigurationRequest(variable_space_id=created.id, values=values)
        assert (await bench.do("ValidateConfiguration", ask)).normalized_values == values


async def test_what_a_strategy_cannot_do_is_refused_with_its_path(bench: Workbench) -> None:
    """Starting points that are missing or invalid, defaults that there are not."""
    created = await create(bench, space())
    for name, around, paths in (
        ("STRATEGY_PERTURB", [], {"around"}),
        (
            "STRATEGY_CROSSOVER",
            [{"shots": 9, "temperature": 1}, {"x": 1}],
            {"around[0].shots", "around[1].x", "around[1].shots"},
        ),
        ("STRATEGY_DEFAULT", [], {"strategy"}),
    ):
        draw = GenerateConfigurationsRequest(variable_space_id=created.id, count=1)
        draw.strategy = GenerateConfigurationsRequest.Strategy.Value(name)
        for values in around:
            draw.around.add().update(values)
        with pytest.raises(InvalidFields) as refused:
            await bench.do("GenerateConfigurations", draw)
        assert {v.path for v in refused.value.violations} == paths
