"""What a run would take, asked before it is started, and runs laid beside each other when they are."""

from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.run_comparison_pb2 import CompareOptimizationRunsRequest
from ashgrove.optimizer.v1.run_estimate_pb2 import EstimateOptimizationRunRequest
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits

from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_forking import done

Run = run_pb.OptimizationRun


async def estimated(around: Neighbourhood, user: Any, wanted: Run, probe: int = 0) -> Any:
    """Returns the estimate of a run."""
    request = EstimateOptimizationRunRequest(optimization_run=wanted, probe=probe)
    return await around.do(user, "EstimateOptimizationRun", request)


async def test_calls_are_a_formula_and_the_rest_is_what_earlier_evaluations_took(around: Neighbourhood) -> None:
    """Nothing is run for it and nothing kept; with no evaluation of the program it says that nothing is known."""
    user = await around.person()
    dataset = await around.dataset(user, validation=4, test=3)
    wanted = await around.wanted(user, dataset_id=dataset.id, max_trials=6, parallelism=2)
    wanted.ablation = Run.ABLATION_FULL
    nothing = await estimated(around, user, wanted)
    assert [(p.name, p.evaluations, p.examples) for p in nothing.parts] == [
        ("trials", 6, 4),
        ("last look", 2, 3),
        ("ablation", 1, 4),
    ]
    assert nothing.program_calls == 6 * 4 + 2 * 3 + 1 * 4 and not nothing.HasField("tokens")
    assert nothing.model_calls.expected == 34 and any("nothing is known" in each for each in nothing.assumptions)
    wanted.limits.CopyFrom(RunLimits(metric_calls=20))
    assert (await estimated(around, user, wanted)).program_calls == 20
    assert not around.model.asked and not await around.grants()
    wanted.ClearField("limits")
    async with around.working():
        await done(around, user, wanted)
    wanted.limits.cost_micros = 10
    known = await estimated(around, user, wanted)
    # Each example costs 2, whatever is tried.
    assert (known.cost_micros.expected, known.cost_micros.low, known.cost_micros.high) == (68.0, 68.0, 68.0)
    assert known.binding_limit == "limits.cost_micros" and known.HasField("seconds")


async def test_a_probe_runs_examples_and_answers_with_an_interval(around: Neighbourhood) -> None:
    """Each with a configuration of its own, as executions of the caller's; what it took is told."""
    user = await around.person()
    wanted = await around.wanted(user, max_trials=10, seed=2**63 - 1)
    async with around.working():
        found = await estimated(around, user, wanted, probe=3)
    assert len(around.model.asked) == 3 and len({each.rpartition(" at ")[2] for each in around.model.asked}) == 3
    assert (found.probed_count, found.failed_count, found.probe_cost_micros) == (3, 0, 6)
    assert found.cost_micros.expected == (10 + 1) * 4 * 2 and found.cost_micros.HasField("low")


async def test_what_could_not_start_is_not_estimated(around: Neighbourhood) -> None:
    """Refused with the same words as when it is created; an external run, and one example, say nothing."""
    user, other = await around.person(), await around.person()
    wanted = await around.wanted(user)
    with pytest.raises((NotPermitted, NotFound)):
        await estimated(around, other, wanted)
    with pytest.raises(InvalidFields):
        await estimated(around, user, wanted, probe=1)
    wanted.objectives[0].metric = "accuracy"
    with pytest.raises(InvalidFields) as refused:
        await estimated(around, user, wanted)
    assert {v.path for v in refused.value.violations} == {"optimization_run.objectives[0].metric"}
    wanted.evaluator = Run.EVALUATOR_EXTERNAL
    with pytest.raises(InvalidFields) as refused:
        await estimated(around, user, wanted)
    assert {v.path for v in refused.value.violations} == {"optimization_run.evaluator"}


async def compared(around: Neighbourhood, user: Any, *runs: Any, objective: str = "") -> Any:
    """Returns runs beside each other."""
    request = CompareOptimizationRunsRequest(optimization_run_ids=[r.id for r in runs], objective=objective)
    return await around.do(user, "CompareOptimizationRuns", request)


async def test_runs_are_compared_by_what_they_reached_for_how_much(around: Neighbourhood) -> None:
    """At an equal number of trials too; and their bests example by example, since both saw the same ones."""
    user, other = await around.person(), await around.person()
    around.model.says = lambda text, temperature: "sv" if temperature > 0.7 or "1" in text else "no"
    wanted = await around.wanted(user, max_trials=1, seed=1)
    async with around.working():
        short = await done(around, user, wanted)
        wanted.max_trials = 12
        long = await done(around, user, wanted)
        elsewhere = await done(around, user, await around.wanted(user, max_trials=1))
    found = await compared(around, user, short, long)
    one, two = found.runs
    assert (found.objective, found.direction, found.equal_trials) == ("exact_match", 1, 1)
    assert (one.best_value, two.best_value) == (0.25, 1.0)
    assert two.value_at_equal_trials == one.value_at_equal_trials == 0.25
    assert (one.ended_trials, two.ended_trials, two.metric_calls, two.cost_micros) == (1, 12, 48, 96)
    assert not one.HasField("paired") and two.HasField("duration_seconds")
    assert (two.paired.paired_count, two.paired.better_count, two.paired.difference) == (4, 3, 0.75)
    cheapest = await compared(around, user, short, long, objective="cost")
    assert [r.best_value for r in cheapest.runs] == [2.0, 2.0] and not cheapest.runs[1].HasField("paired")
    with pytest.raises(IllegalState, match="dataset_id"):
        await compared(around, user, short, elsewhere)
    with pytest.raises(InvalidFields):
        await compared(around, user, short, long, objective="latency_ms")
    with pytest.raises(InvalidFields):
        await compared(around, user, short)
    with pytest.raises(NotFound):
        await compared(around, other, short, long)
