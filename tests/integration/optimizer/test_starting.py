"""Starting a run among the real peers: what is pinned, what is refused, and what is left when it cannot be written."""

from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.program.v1 import dataset_requests_pb2, program_pb2
from ashgrove.program.v1.program_requests_pb2 import ArchiveProgramRequest
from ashgrove.variables.v1.variable_space_requests_pb2 import ArchiveVariableSpaceRequest
from google.protobuf.struct_pb2 import Struct

from framework.call import Actor
from framework.errors import DependencyUnavailable, IllegalState, InvalidFields, NotFound, NotPermitted
from framework.identifiers import new_id
from framework.storage import Transaction
from services.optimizer import starting
from tests.integration.optimizer.neighbourhood import Neighbourhood

Run = run_pb.OptimizationRun


async def violations(around: Neighbourhood, actor: Actor, wanted: Run) -> dict[str, str]:
    """Returns what a refusal says, by path."""
    with pytest.raises(InvalidFields) as refused:
        await around.start(actor, wanted)
    return {v.path.removeprefix("optimization_run."): v.message for v in refused.value.violations}


async def test_a_run_is_created_whole_pinned_and_granted(around: Neighbourhood) -> None:
    """X-57, X-59, X-61: owner, seed and revisions are kept, nothing is forged, and the grant names what it allows."""
    user = await around.person()
    wanted = await around.wanted(user, seed=7, status=Run.STATUS_COMPLETED, completed_trials=9, front_version=4)
    run = await around.start(user, wanted)
    assert (run.owner_id, run.seed, run.status) == (user.id, 7, Run.STATUS_PENDING)
    assert (run.program_revision, run.variable_space_revision) == (1, 1) and run.dataset_revision >= 1
    assert (run.completed_trials, run.front_version, run.HasField("hypervolume")) == (0, 0, False)
    assert (run.parallelism, run.schedule) == (1, Run.SCHEDULE_ASYNCHRONOUS)
    (grant,) = await around.grants()
    assert str(grant["user_id"]) == user.id and {"EvaluateProgram", "PauseEvaluation"} <= set(grant["actions"])


async def test_a_run_asked_for_twice_with_one_request_id_is_one_run(around: Neighbourhood) -> None:
    """Whoever heard no answer may ask again: one run, one grant; the id is not good for another run."""
    user = await around.person()
    wanted = await around.wanted(user)
    first = await around.start(user, wanted, "again")
    assert await around.start(user, wanted, "again") == first
    assert len(await around.grants()) == 1
    wanted.seed = 8
    with pytest.raises(InvalidFields) as refused:
        await around.start(user, wanted, "again")
    assert {v.path for v in refused.value.violations} == {"request_id"}


async def test_objectives_are_completed_by_what_the_metrics_declare(around: Neighbourhood) -> None:
    """X-56: not everything is maximised, and what will hold is there to be read."""
    user = await around.person()
    up, down = (await around.start(user, await around.wanted(user))).objectives
    assert (up.direction, up.reference) == (run_pb.Objective.DIRECTION_MAXIMIZE, 0.0)
    assert down.direction == run_pb.Objective.DIRECTION_MINIMIZE and not down.HasField("reference")


async def test_a_strategy_that_cannot_be_what_is_asked_is_refused_by_path(around: Neighbourhood) -> None:
    """A configuration of another one, a variable that the space does not have, more objectives than one."""
    user = await around.person()
    wanted = await around.wanted(user, strategy=Run.STRATEGY_GRID_SEARCH, strategy_configuration={"cma_es": {}})
    other = await violations(around, user, wanted)
    assert "grid_search" in other["strategy_configuration.cma_es"]
    wanted.strategy_configuration.grid_search.levels_of["warmth"] = 3
    unknown = await violations(around, user, wanted)
    assert "no continuous variable" in unknown["strategy_configuration.grid_search.levels_of.warmth"]
    wanted = await around.wanted(user, strategy=Run.STRATEGY_CMA_ES)
    assert "one objective" in (await violations(around, user, wanted))["strategy"]
    wanted.strategy_configuration.cma_es.population = 3
    assert "4 and more" in (await violations(around, user, wanted))["strategy_configuration.cma_es.population"]
    wanted = await around.wanted(user, strategy=Run.STRATEGY_REGISTERED)
    assert "installed" in (await violations(around, user, wanted))["strategy_configuration.registered.name"]
    assert not await around.grants()


async def test_objectives_that_make_no_sense_are_refused_by_path(around: Neighbourhood) -> None:
    """Unknown ones with those there are, contradictions, and numbers that are none."""
    user = await around.person()
    wanted = await around.wanted(user)

    async def refused(**fields: Any) -> dict[str, str]:
        del wanted.objectives[:]
        wanted.objectives.append(run_pb.Objective(**fields))
        return await violations(around, user, wanted)

    unknown = await refused(metric="accuracy")
    assert "exact_match" in unknown["objectives[0].metric"] and "latency_ms" in unknown["objectives[0].metric"]
    assert "objectives[0].direction" in await refused(metric="cost", direction=run_pb.Objective.DIRECTION_MAXIMIZE)
    assert "objectives[0].threshold" in await refused(metric="exact_match", threshold=1.5)
    assert "objectives[0].reference" in await refused(metric="exact_match", reference=float("nan"))
    told = Struct()
    told.update({"fields": ["language", "langage"]})
    unseen = await refused(metric="exact_match", metric_params=told)
    assert unseen["objectives[0].metric_params.fields[1]"].endswith("there are language")
    assert not await around.grants()


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"max_trials": 0}, "max_trials"),
        ({"max_trials": 10_001}, "max_trials"),
        ({"parallelism": 65}, "parallelism"),
        ({"strategy": Run.STRATEGY_UNSPECIFIED}, "strategy"),
        ({"objectives": []}, "objectives"),
        ({"program_id": "mine"}, "program_id"),
        ({"dataset_revision": 99}, "dataset_revision"),
        ({"racing": {"first_rung": 4}}, "racing.first_rung"),
    ],
)
async def test_a_run_out_of_bounds_is_refused_by_path(around: Neighbourhood, fields: dict[str, Any], path: str) -> None:
    """A zero budget above all: a run must end."""
    user = await around.person()
    assert path in await violations(around, user, await around.wanted(user, **fields))


@pytest.mark.parametrize("field", ["program_id", "dataset_id", "variable_space_id"])
async def test_what_the_caller_cannot_see_is_not_found(around: Neighbourhood, field: str) -> None:
    """X-58, X-60: missing and hidden alike, with no grant left behind."""
    user, other = await around.person(), await around.person()
    theirs = await around.wanted(other)
    for identifier in (str(new_id()), getattr(theirs, field)):
        with pytest.raises(NotFound):
            await around.start(user, await around.wanted(user, **{field: identifier}))
    assert not await around.grants()


async def test_only_a_programs_owner_and_administrators_optimize_it(around: Neighbourhood) -> None:
    """X-60: whoever may only read a public program may not; a viewer may write nothing at all."""
    owner, colleague = await around.person(), await around.person()
    wanted = await around.wanted(colleague)
    public = await around.program(owner, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    wanted.program_id = public.id
    with pytest.raises(NotPermitted):
        await around.start(colleague, wanted)
    viewer = await around.person(role=user_pb2.User.ROLE_VIEWER)
    with pytest.raises((NotPermitted, NotFound)):
        await around.start(viewer, wanted)
    assert not await around.grants()
    assert (await around.start(around.house.admin, wanted)).owner_id == around.house.admin.id


@pytest.mark.parametrize("what", ["program", "dataset", "variable_space"])
async def test_what_is_archived_starts_no_run(around: Neighbourhood, what: str) -> None:
    """The refusal says which of the three it is."""
    user = await around.person()
    wanted = await around.wanted(user)
    identifier = getattr(wanted, f"{what}_id")
    if what == "variable_space":
        request: Any = ArchiveVariableSpaceRequest(id=identifier)
        await around.do(user, "ArchiveVariableSpace", request, "variables")
    elif what == "dataset":
        await around.do(user, "ArchiveDataset", dataset_requests_pb2.ArchiveDatasetRequest(id=identifier), "program")
    else:
        await around.do(user, "ArchiveProgram", ArchiveProgramRequest(id=identifier), "program")
    with pytest.raises(IllegalState) as refused:
        await around.start(user, wanted)
    assert what.replace("_", " ") in refused.value.message


async def test_a_dataset_without_validation_examples_starts_no_run(around: Neighbourhood) -> None:
    """There would be nothing to evaluate on."""
    user = await around.person()
    empty = await around.dataset(user, validation=0)
    with pytest.raises(IllegalState) as refused:
        await around.start(user, await around.wanted(user, dataset_id=empty.id))
    assert "validation" in refused.value.message


async def test_a_run_that_cannot_be_written_leaves_no_grant(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-61: neither a ghost run nor a right that nobody uses."""

    async def away(*_: Any, **__: Any) -> None:
        raise DependencyUnavailable("the database does not answer")

    user = await around.person()
    monkeypatch.setattr(starting, "tell", away)
    with pytest.raises(DependencyUnavailable):
        await around.start(user, await around.wanted(user))
    (grant,) = await around.grants()
    assert grant["ended_at"] is not None
    async with around.optimizer.database.tenant(around.house.organization_id) as tx:
        assert not await _runs(tx)


async def _runs(tx: Transaction) -> list[dict[str, Any]]:
    return await tx.fetch("SELECT id FROM optimization_runs")
