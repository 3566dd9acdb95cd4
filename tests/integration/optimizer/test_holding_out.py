"""The last look: baseline and best, once, on examples that no trial has seen, and nobody reads it before the end."""

from typing import Any

import pytest
from ashgrove.auth.v1.user_pb2 import User
from ashgrove.event.v1.event_pb2 import Event
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure, HoldoutResult
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CancelOptimizationRunRequest,
    GetOptimizationRunRequest,
    PauseOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from ashgrove.program.v1.evaluation_requests_pb2 import (
    CompareEvaluationsRequest,
    GetEvaluationRequest,
    ListEvaluationResultsRequest,
    ListEvaluationsRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

from framework.errors import Failure, IllegalState, NotFound
from framework.testing.waiting import until
from services.program.unsealing import unseal
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has

Run = run_pb.OptimizationRun


async def started(around: Neighbourhood, owner: Any, test: int = 12, **fields: Any) -> Run:
    """Returns a run over a dataset with test examples: what is cool says `sv`, which is right."""
    around.model.says = lambda text, temperature: "sv" if temperature < 0.4 else "fi"
    dataset = await around.dataset(owner, validation=3, test=test)
    wanted = await around.wanted(owner, dataset_id=dataset.id, **({"max_trials": 3, "seed": 4} | fields))
    return await around.start(owner, wanted)


async def ended(around: Neighbourhood, owner: Any, run: Run) -> Run:
    """Returns the run when it is complete."""
    await has(around, owner, run, Run.STATUS_COMPLETED)
    found: Run = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    return found


async def looks(around: Neighbourhood, owner: Any, run: Run) -> int:
    """Returns how often the run's dataset was looked at."""
    mask = FieldMask(paths=["test_looks"])
    asked = GetDatasetRequest(id=run.dataset_id, read_mask=mask)
    return int((await around.do(owner, "GetDataset", asked, "program")).test_looks)


async def test_baseline_and_best_are_looked_at_once_when_all_is_decided(around: Neighbourhood) -> None:
    """With gain, interval, optimism and verdict; it counts as one look at the dataset, and no trial has paid for it."""
    owner = await around.person()
    run = await started(around, owner)
    assert run.holdout == Run.HOLDOUT_ON and await looks(around, owner, run) == 0
    async with around.working():
        run = await ended(around, owner, run)
    found = run.holdout_result
    assert found.baseline == HoldoutResult.BASELINE_FIRST_TRIAL and found.best_trial_id == run.best_trial_id
    figure = found.figures[0]
    assert (figure.metric, figure.baseline, figure.best, figure.paired_count) == ("exact_match", 0.0, 1.0, 12)
    assert figure.gain == 1.0 and figure.low > 0 and figure.verdict == HoldoutFigure.VERDICT_PROVEN_GAIN
    assert (figure.validation, figure.optimism_gap, figure.words) == (1.0, 0.0, "proven gain")
    assert found.figures[1].words == "no proven gain"  # both cost the same
    assert (found.example_count, found.test_looks, found.cost_micros) == (12, 1, 48)
    assert await looks(around, owner, run) == 1
    again = await started(around, owner, holdout=Run.HOLDOUT_OFF)
    async with around.working():
        again = await ended(around, owner, again)
    assert not again.HasField("holdout_result") and await looks(around, owner, again) == 0


async def test_nobody_reads_test_results_before_the_run_has_ended(around: Neighbourhood) -> None:
    """Neither its owner nor an administrator, by whatever call; when its end is told, all of it is open."""
    owner, admin = await around.person(), await around.person(role=User.ROLE_ADMIN)
    around.model.held = lambda text: text.startswith("text 14")
    run = await started(around, owner)
    async with around.working():

        async def sealed() -> list[Any]:
            async with around.program_bench.database.system() as tx:
                return await tx.fetch(
                    "SELECT id, finished_count FROM evaluations WHERE sealed AND run_id = %(r)s", {"r": run.id}
                )

        async def nearly_done() -> bool:
            return any(row["finished_count"] == 11 for row in await sealed())

        await until(nearly_done)
        identifier = str((await sealed())[0]["id"])
        for person in (owner, admin):
            with pytest.raises(NotFound):
                await around.do(person, "GetEvaluation", GetEvaluationRequest(id=identifier), "program")
            results = ListEvaluationResultsRequest(evaluation_id=identifier)
            assert not await readable(around, person, results)
            mine = await around.do(
                person, "ListEvaluations", ListEvaluationsRequest(program_id=run.program_id), "program"
            )
            assert mine.evaluations and identifier not in [each.id for each in mine.evaluations]
            pair = CompareEvaluationsRequest(base_evaluation_id=identifier, evaluation_id=identifier)
            with pytest.raises(NotFound):
                await around.do(person, "CompareEvaluations", pair, "program")
        now = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
        assert now.completed_trials == 3 and not now.HasField("holdout_result")
        around.model.let_go.set()
        run = await ended(around, owner, run)
    async with around.program_bench.database.system() as tx:
        heard = await tx.fetch("SELECT event FROM outbox WHERE event ->> 'resource_id' = %(id)s", {"id": identifier})
    assert heard and not [row for row in heard if "scores" in row["event"].get("data", {})]
    async with around.optimizer.database.system() as tx:
        told = await tx.fetch("SELECT event FROM outbox WHERE event ->> 'resource_id' = %(id)s", {"id": run.id})
    async with around.program_bench.database.system() as tx:
        for row in told:
            await unseal(tx, ParseDict(row["event"], Event(), ignore_unknown_fields=True))
    pair = CompareEvaluationsRequest(
        base_evaluation_id=run.holdout_result.baseline_evaluation_id,
        evaluation_id=run.holdout_result.best_evaluation_id,
    )
    compared = await around.do(owner, "CompareEvaluations", pair, "program")
    assert compared.difference == run.holdout_result.figures[0].gain == 1.0


async def readable(around: Neighbourhood, person: Any, request: Any) -> int:
    """Returns how many results a person may read; missing and hidden answer alike."""
    try:
        return len((await around.do(person, "ListEvaluationResults", request, "program")).evaluation_results)
    except Failure:
        return 0


async def test_the_look_keeps_within_the_run_s_limits(around: Neighbourhood) -> None:
    """What is spent is spent: the run completes with its trials, and says why there are no figures."""
    owner = await around.person()
    run = await started(around, owner, max_trials=2, limits=RunLimits(metric_calls=10))
    async with around.working():
        run = await ended(around, owner, run)
    assert run.completed_trials == 2 and run.end_reason == Run.END_REASON_TRIALS
    assert "limit of metric calls" in run.holdout_result.error and not run.holdout_result.figures


@pytest.mark.parametrize("rests", [False, True])
async def test_a_run_is_cancelled_in_its_last_look_too(around: Neighbourhood, rests: bool) -> None:
    """Within the look it is as running as ever: nothing of the look is kept or goes on, paused before or not."""

    async def looking() -> bool:
        return any(text.startswith("text 14") for text in around.model.asked)

    async def stopped() -> bool:
        return bool(around.model.stopped)

    owner = await around.person()
    around.model.held = lambda text: text.startswith("text 14")
    run = await started(around, owner)
    async with around.working():
        await until(looking)
        if rests:
            await around.do(owner, "PauseOptimizationRun", PauseOptimizationRunRequest(id=run.id))
            await until(stopped)
        await around.do(owner, "CancelOptimizationRun", CancelOptimizationRunRequest(id=run.id))
        await has(around, owner, run, Run.STATUS_CANCELLED)
        await until(stopped)
        await until(lambda: over(around, run))
    now = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    assert not now.HasField("holdout_result") and now.completed_trials == 3


async def over(around: Neighbourhood, run: Any) -> bool:
    """Tells whether no evaluation of a run can go on."""
    sql = """SELECT id FROM evaluations WHERE run_id = %(id)s
             AND status NOT IN ('WORK_STATUS_COMPLETED', 'WORK_STATUS_FAILED', 'WORK_STATUS_CANCELLED')"""
    async with around.program_bench.database.system() as tx:
        return not await tx.fetch(sql, {"id": run.id})


async def test_what_is_not_there_cannot_be_held_out(around: Neighbourhood) -> None:
    """A dataset without test examples is looked at only where nobody asked for it."""
    owner = await around.person()
    with pytest.raises(IllegalState, match="no test examples"):
        await started(around, owner, test=0, holdout=Run.HOLDOUT_ON)
    assert (await started(around, owner, test=0)).holdout == Run.HOLDOUT_OFF
