"""Leave-one-out ablation: each variable of the best, set back alone, on the validation split, when all is decided."""

from typing import Any

import pytest
from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure, HoldoutResult
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    ExtendOptimizationRunRequest,
    GetOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits

from framework.errors import InvalidFields
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has
from tests.integration.optimizer.test_runs_over_prompts import space_of

Run = OptimizationRun
HEAT = {"name": "temperature", "float": {"low": 0.0, "high": 1.0}, "default": 0.9}
RULES = {"name": "rule_count", "integer": {"low": 0, "high": 40}, "default": 0}


async def completed(around: Neighbourhood, owner: Any, **fields: Any) -> Run:
    """Returns a complete run over two variables, of which the heat alone matters: what is cool is right."""
    around.model.says = lambda text, temperature: "sv" if temperature < 0.4 else "fi"
    dataset = await around.dataset(owner, validation=8)
    space = await space_of(around, owner, HEAT, RULES)
    usual = {"max_trials": 5, "seed": 4, "objectives": [Objective(metric="exact_match"), Objective(metric="cost")]}
    usual |= {"dataset_id": dataset.id, "variable_space_id": space.id}
    wanted = await around.wanted(owner, **(usual | fields))
    run = await around.start(owner, wanted)
    async with around.working():
        await has(around, owner, run, Run.STATUS_COMPLETED)
    found: Run = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    return found


async def test_each_variable_is_said_what_it_earned(around: Neighbourhood) -> None:
    """With a paired interval in the objective's direction; it is paid for, and not among the trials."""
    owner = await around.person()
    run = await completed(around, owner, ablation=Run.ABLATION_FULL)
    found = run.ablation_result
    heat, rules = found.variables
    assert found.baseline == HoldoutResult.BASELINE_DEFAULTS and found.best_trial_id == run.best_trial_id
    assert (heat.variable, heat.baseline.number_value, rules.variable) == ("temperature", 0.9, "rule_count")
    assert heat.best.number_value == run.best_configuration["temperature"] < 0.4
    accuracy, cost = heat.figures
    assert (accuracy.best, accuracy.without, accuracy.earned, accuracy.paired_count) == (1.0, 0.0, 1.0, 8)
    assert accuracy.low > 0 and accuracy.verdict == HoldoutFigure.VERDICT_PROVEN_GAIN
    assert (cost.metric, cost.earned, cost.words) == ("cost", 0.0, "no proven gain")
    assert (rules.figures[0].earned, rules.figures[0].verdict) == (0.0, HoldoutFigure.VERDICT_NO_PROVEN_GAIN)
    assert (found.metric_calls, found.cost_micros, run.completed_trials) == (16, 32, 5)
    assert len(around.model.asked) == 7 * 8


async def test_by_default_it_costs_a_fifth_of_the_trials_at_most(around: Neighbourhood) -> None:
    """One variable in five trials, what is left out is named; none in shorter runs, nor where it is not wanted."""
    owner = await around.person()
    run = await completed(around, owner)
    assert run.ablation == Run.ABLATION_SHARE
    heat, rules = run.ablation_result.variables
    assert heat.figures and not rules.figures and rules.error.startswith("left out")
    assert run.ablation_result.metric_calls == 8
    assert not (await completed(around, owner, max_trials=4)).HasField("ablation_result")
    assert not (await completed(around, owner, ablation=Run.ABLATION_OFF)).HasField("ablation_result")


async def test_it_keeps_within_the_run_s_limits_and_pays_nothing_twice(around: Neighbourhood) -> None:
    """The run is complete all the same, and says for which variable nothing was left; a trial's twin is read."""
    owner = await around.person()
    run = await completed(around, owner, ablation=Run.ABLATION_FULL, limits=RunLimits(metric_calls=44))
    heat, rules = run.ablation_result.variables
    assert run.end_reason == Run.END_REASON_TRIALS and run.completed_trials == 5
    assert "limit of metric calls" in heat.error and "limit of metric calls" in rules.error
    assert 0 < run.ablation_result.metric_calls <= 6
    grid = {"strategy": Run.STRATEGY_GRID_SEARCH, "max_trials": 100}
    grid["strategy_configuration"] = {"grid_search": {"levels_of": {"temperature": 2}}}
    space = await space_of(around, owner, HEAT | {"default": 1.0}, RULES | {"integer": {"low": 0, "high": 1}})
    around.model.asked.clear()
    run = await completed(around, owner, ablation=Run.ABLATION_FULL, variable_space_id=space.id, **grid)
    assert run.completed_trials == 4 and run.ablation_result.metric_calls == 0
    assert len(around.model.asked) == 4 * 8
    assert all(each.trial_number and each.figures for each in run.ablation_result.variables)


async def test_a_completed_run_goes_on_for_its_ablation_alone(around: Neighbourhood) -> None:
    """No further trial, nothing paid for again, and all that it had found is there in the end."""
    owner = await around.person()
    run = await completed(around, owner)
    paid, made = len(around.model.asked), ExtendOptimizationRunRequest(id=run.id, ablation=Run.ABLATION_FULL)
    await around.do(owner, "ExtendOptimizationRun", made)
    async with around.working():
        await has(around, owner, run, Run.STATUS_COMPLETED)
    again = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    assert again.ablation_result.variables[0].figures == run.ablation_result.variables[0].figures
    assert again.ablation_result.variables[1].figures and len(around.model.asked) == paid + 8
    for name in ("completed_trials", "best_trial_id", "end_reason", "front_version"):
        assert getattr(again, name) == getattr(run, name)


@pytest.mark.parametrize(
    ("fields", "path"),
    [({"limits": RunLimits(metric_calls=20), "max_trials": 9}, "limits.metric_calls"), ({"max_trials": 5}, "")],
)
async def test_an_ablation_needs_what_a_limit_leaves(around: Neighbourhood, fields: Any, path: str) -> None:
    """Where nothing is left the limit is named that must be raised; one that was never asked for comes all the same."""
    owner = await around.person()
    run = await completed(around, owner, ablation=Run.ABLATION_OFF, **fields)
    made = ExtendOptimizationRunRequest(id=run.id, ablation=Run.ABLATION_FULL, validate_only=True)
    if not path:
        assert (await around.do(owner, "ExtendOptimizationRun", made)).ablation == Run.ABLATION_FULL
        return
    with pytest.raises(InvalidFields) as refused:
        await around.do(owner, "ExtendOptimizationRun", made)
    assert [each.path for each in refused.value.violations] == [path]
