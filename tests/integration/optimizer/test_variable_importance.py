"""The importance of variables, asked of real runs: by whom, of which runs, and what is remembered."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import variable_importance_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.program.v1 import program_pb2
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1.variable_space_requests_pb2 import UpdateVariableSpaceRequest

from framework.call import Actor
from framework.errors import InvalidFields, NoResultYet, NotFound
from framework.identifiers import new_id
from framework.testing.waiting import until
from services.optimizer import analyzing
from services.program.running import Outcome
from tests.integration.optimizer.neighbourhood import Model, Neighbourhood

SHOTS = 24
ENDED = run_pb.OptimizationRun.STATUS_COMPLETED


class Warm(Model):
    """A model that is right while the temperature is below a half."""

    async def prepare(self, program: Any, configuration: Mapping[str, Any], train: Sequence[Any]) -> Any:
        """Returns what answers an input."""

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            right = configuration["temperature"] < 0.5
            return Outcome({"language": "sv" if right else "fr"}, latency_ms=1.0, cost_micros=2)

        return run


async def finished(around: Neighbourhood, actor: Actor, **fields: Any) -> run_pb.OptimizationRun:
    """Returns a run of enough trials that has ended."""
    around.model = Warm()
    wanted = await around.wanted(actor, max_trials=SHOTS, parallelism=8, **fields)
    run = await around.start(actor, wanted)

    async def ended() -> bool:
        now = await around.do(actor, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
        return bool(now.status == ENDED)

    async with around.working():
        await until(ended)
    return run


async def asked(around: Neighbourhood, actor: Actor, *ids: str, **fields: Any) -> pb.VariableImportance:
    """Returns the importance, asked as an actor."""
    request = pb.AnalyzeVariableImportanceRequest(optimization_run_ids=ids, **fields)
    return await around.do(actor, "AnalyzeVariableImportance", request)  # type: ignore[no-any-return]


async def test_what_the_trials_say_is_answered_with_how_sure_it_is(around: Neighbourhood) -> None:
    """Oriented by the objective's own direction, with n, B, curve and region; one analysis a state of the run."""
    owner = await around.person()
    run = await finished(around, owner)
    found = await asked(around, owner, run.id)
    (effect,) = found.effects
    assert (effect.variable, effect.estimate.share, effect.trial_count) == ("temperature", 1.0, SHOTS)
    assert (found.objective, found.trial_count, found.resample_count) == ("exact_match", SHOTS, 100)
    assert found.variable_space_id == run.variable_space_id
    assert effect.best_region_is_range and effect.best_region[1].number_value < 0.55
    assert effect.curve[0].mean > 0.8 > 0.2 > effect.curve[-1].mean
    assert await asked(around, owner, run.id) == found
    fanova = await asked(around, owner, run.id, method="METHOD_FANOVA", interactions=True)
    assert fanova.resample_count == 32 and not fanova.interactions
    before = len(analyzing._answers._kept)
    await asked(around, owner, run.id)
    assert len(analyzing._answers._kept) == before


async def test_runs_that_the_caller_may_not_read_are_missing(around: Neighbourhood) -> None:
    """X-47: of another owner's private program, of no organization's, or one among several: all alike."""
    owner, other = await around.person(), await around.person()
    mine, theirs = await finished(around, owner), await finished(around, other)
    for ids in ([theirs.id], [mine.id, theirs.id], [str(new_id())]):
        with pytest.raises(NotFound):
            await asked(around, owner, *ids)


async def test_a_private_space_is_not_told_by_way_of_a_run(around: Neighbourhood) -> None:
    """Whoever may read the run of a public program, but not its space, learns nothing of the space."""
    owner, other = await around.person(), await around.person()
    public = await around.program(owner, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    run = await finished(around, owner, program_id=public.id)
    with pytest.raises(NotFound):
        await asked(around, other, run.id)


async def test_runs_of_compatible_revisions_count_together(around: Neighbourhood) -> None:
    """The widest revision's domains count; one that does not hold the others is refused at its place."""
    owner = await around.person()
    first = await finished(around, owner)
    await _widened(around, owner, first.variable_space_id, 2.0)
    usual = {name: getattr(first, name) for name in ("program_id", "dataset_id", "variable_space_id")}
    second = await finished(around, owner, **usual)
    found = await asked(around, owner, first.id, second.id)
    assert (found.trial_count, found.variable_space_revision) == (2 * SHOTS, 2)
    await _widened(around, owner, first.variable_space_id, 3.0, low=0.5)
    third = await finished(around, owner, **usual)
    with pytest.raises(InvalidFields) as refused:
        await asked(around, owner, first.id, third.id)
    assert [each.path for each in refused.value.violations] == ["optimization_run_ids[0]"]
    stranger = await finished(around, owner)
    with pytest.raises(InvalidFields, match="another space"):
        await asked(around, owner, first.id, stranger.id)


async def test_nothing_is_said_of_too_few_trials_or_of_what_was_no_objective(around: Neighbourhood) -> None:
    """The refusal says how many there must be."""
    owner = await around.person()
    run = await around.start(owner, await around.wanted(owner))
    with pytest.raises(NoResultYet, match="20 are needed"):
        await asked(around, owner, run.id)
    with pytest.raises(InvalidFields, match="has no objective f1"):
        await asked(around, owner, run.id, objective="f1")


async def _widened(around: Neighbourhood, owner: Actor, identifier: str, high: float, low: float = 0.0) -> None:
    changed = variable_space_pb2.VariableSpace(id=identifier)
    changed.variables.add(name="temperature", float=variable_space_pb2.FloatDomain(low=low, high=high))
    request = UpdateVariableSpaceRequest(variable_space=changed)
    await around.do(owner, "UpdateVariableSpace", request, "variables")
