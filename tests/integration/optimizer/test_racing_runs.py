"""Racing among the real peers: who is surely worse is dropped early, told, and not paid for in full."""

from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import GetOptimizationRunRequest
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import GetEvaluationRequest

from framework.testing.waiting import until
from services.optimizer.resources import ENDED
from tests.integration.optimizer.neighbourhood import Model, Neighbourhood

Run = run_pb.OptimizationRun
COUNT = 40


@dataclass
class Cooling(Model):
    """The colder, the better: right at 0, wrong at 1, and there it is silent after so many inputs."""

    silent_after: int = 10  # a rung, and what is under way beside it

    def __post_init__(self) -> None:
        """Has the model say and hold back what it is for."""
        self.says = lambda text, temperature: "sv" if temperature < 0.5 else "da"
        self.held = lambda text: sum(asked.endswith(" at 1") for asked in self.asked) > self.silent_after


async def begun(around: Neighbourhood, model: Model, **fields: Any) -> tuple[Any, Run]:
    """Returns who has started a run over a grid of 0 and 1, and the run."""
    user = await around.person()
    around.model = model
    wanted = await around.wanted(
        user,
        dataset_id=(await around.dataset(user, validation=COUNT)).id,
        strategy=Run.STRATEGY_GRID_SEARCH,
        strategy_configuration={"grid_search": {"levels": 2}},
        objectives=[run_pb.Objective(metric="exact_match")],
        max_trials=9,
        **fields,
    )
    return user, await around.start(user, wanted)


async def trials_of(around: Neighbourhood, user: Any, run: Run) -> list[Any]:
    """Returns a run's trials by number."""
    request = ListTrialsRequest(optimization_run_id=run.id, order_by="number")
    return list((await around.do(user, "ListTrials", request)).trials)


async def worked_out(around: Neighbourhood, user: Any, run: Run) -> Run:
    """Returns a run at its end."""

    async def over() -> bool:
        found = await around.do(user, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
        return Run.Status.Name(found.status) in ENDED

    async with around.working():
        await until(over)
    return await around.do(user, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))  # type: ignore[no-any-return]


async def ended(around: Neighbourhood, model: Model, **fields: Any) -> tuple[Any, Run, list[Any]]:
    """Returns who has run a grid of 0 and 1, the run at its end, and its trials."""
    user, run = await begun(around, model, **fields)
    run = await worked_out(around, user, run)
    return user, run, await trials_of(around, user, run)


async def test_who_is_surely_worse_is_dropped(around: Neighbourhood) -> None:
    """After the first rung and what was under way: its evaluation is cancelled, what it would have reached is kept."""
    user, run, (first, second) = await ended(around, Cooling(), racing={})
    assert (run.status, run.end_reason) == (Run.STATUS_COMPLETED, Run.END_REASON_EXHAUSTED)
    assert (run.completed_trials, run.dropped_trials, run.failed_trials) == (1, 1, 0)
    assert first.status == trial_pb2.Trial.STATUS_COMPLETED and first.finished_count == COUNT
    assert second.status == trial_pb2.Trial.STATUS_DROPPED and second.lost_to_trial_number == 1
    assert 8 <= second.finished_count < COUNT // 2 and second.objectives["exact_match"] == 0.0
    assert second.cost_micros == 2 * second.finished_count
    assert run.best_trial_id == first.id and run.best_objectives["exact_match"] == 1.0
    evaluation = await around.do(user, "GetEvaluation", GetEvaluationRequest(id=second.evaluation_id), "program")
    assert evaluation.status == execution_pb2.WORK_STATUS_CANCELLED


async def test_a_race_goes_on_with_what_another_worker_saw(around: Neighbourhood) -> None:
    """Whoever takes a run over drops by all examples of a trial, and adds none up twice."""
    model = Cooling(silent_after=5)
    user, run = await begun(around, model, racing={})

    async def told() -> bool:
        return any(t.number == 2 and t.finished_count for t in await trials_of(around, user, run))

    async with around.working():
        await until(told)
    (_, torn) = await trials_of(around, user, run)
    assert 1 <= torn.finished_count < 8, "the race was decided before the worker left"
    model.silent_after = 18
    run = await worked_out(around, user, run)
    (_, second) = await trials_of(around, user, run)
    assert (run.completed_trials, run.dropped_trials, run.failed_trials) == (1, 1, 0)
    assert 8 <= second.finished_count < COUNT // 2 and second.cost_micros == 2 * second.finished_count


async def test_without_racing_every_trial_sees_every_example(around: Neighbourhood) -> None:
    """However bad it is."""
    _, run, trials = await ended(around, Cooling(silent_after=COUNT))
    assert (run.completed_trials, run.dropped_trials) == (2, 0)
    assert [t.finished_count for t in trials] == [COUNT, COUNT]
