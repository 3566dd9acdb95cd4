"""Noisy runs: what looks best is evaluated afresh before it is named the best, and nothing of it is paid twice."""

import random
from collections import Counter
from typing import Any

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective, OptimizationRun
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    ExtendOptimizationRunRequest,
    GetBestConfigurationRequest,
    GetOptimizationRunRequest,
)
from ashgrove.optimizer.v1.repeats_pb2 import RepeatsConfiguration
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.optimizer.v1.run_report_pb2 import GetRunReportRequest
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest

from framework.errors import InvalidFields
from framework.testing.waiting import until
from services.optimizer import story
from services.program.running import Outcome
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has
from tests.integration.optimizer.test_runs_over_prompts import space_of

Run = OptimizationRun
HEAT = {"name": "temperature", "float": {"low": 0.0, "high": 1.0}, "default": 0.5}


class Noise:
    """A model that is right by chance, the seed deciding; it notes each call, and holds one back where a test says."""

    def __init__(self, around: Neighbourhood) -> None:
        self.calls: list[tuple[float, str, int]] = []
        self.program = ""
        """The one that is asked for here: workers also take what other tests have left."""
        self.held_from = 10**6
        self.held: set[float] = set()
        """The configurations that are held back."""
        self._model = around.model
        around.model.prepare = self.prepare  # type: ignore[method-assign]

    async def prepare(self, program: Any, configuration: Any, train: Any) -> Any:
        """Returns what answers an input."""

        async def run(inputs: Any, seed: int) -> Outcome:
            if program.id != self.program:
                return Outcome({"language": "sv"})
            if len(self.calls) >= self.held_from:
                self.held.add(configuration["temperature"])
                await self._model.let_go.wait()
            self.calls.append((configuration["temperature"], inputs["text"], seed))
            is_right = random.Random(seed).random() < configuration["temperature"]
            return Outcome({"language": "sv" if is_right else "fi"}, latency_ms=1.0, cost_micros=2)

        return run


async def wanted(around: Neighbourhood, owner: Any, noise: Noise, *variables: Any, **fields: Any) -> Run:
    """Returns a noisy run that could start: three trials of four examples, the two best evaluated twice afresh."""
    dataset = await around.dataset(owner, validation=4, test=fields.pop("test", 0))
    space = await space_of(around, owner, *(variables or [HEAT]))
    usual: dict[str, Any] = {"max_trials": 3, "seed": 4, "objectives": [Objective(metric="exact_match")]}
    usual |= {"dataset_id": dataset.id, "variable_space_id": space.id, "ablation": Run.ABLATION_OFF}
    usual["repeats"] = RepeatsConfiguration(count=2, candidates=2)
    asked = await around.wanted(owner, **(usual | fields))
    noise.program = asked.program_id
    return asked


async def completed(around: Neighbourhood, owner: Any, run: Run) -> Run:
    """Returns a run when it is complete."""
    async with around.working():
        await has(around, owner, run, Run.STATUS_COMPLETED)
    found: Run = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    return found


async def told(around: Neighbourhood, run: Run) -> list[RunEvent]:
    """Returns the run's story."""
    bench = around.optimizer
    async with bench.database.tenant(around.house.organization_id) as tx:
        return await story.read(tx, {"organization_id": around.house.organization_id, "id": run.id}, 0)


async def test_the_best_is_named_by_fresh_evaluations(around: Neighbourhood) -> None:
    """By their means alone, with seeds that no trial had; the last look and the report take it from there."""
    owner, noise = await around.person(), Noise(around)
    run = await around.start(owner, await wanted(around, owner, noise, test=2, ablation=Run.ABLATION_FULL))
    run = await completed(around, owner, run)
    found = run.repeats_result
    assert (found.rounds, found.error, len(found.trials), found.metric_calls) == (2, "", 2, 16)
    looked = [each.looked["exact_match"] for each in found.trials]
    assert looked == sorted(looked, reverse=True)
    best = max(found.trials, key=lambda each: (each.objectives["exact_match"], -each.trial_number))
    assert found.best_trial_id == run.best_trial_id == best.trial_id and run.best_objectives == best.objectives
    assert len({one for each in found.trials for one in each.evaluation_ids}) == 4
    assert max(Counter(noise.calls).values()) == 1, "an evaluation was not fresh"
    answer = await around.do(owner, "GetBestConfiguration", GetBestConfigurationRequest(id=run.id))
    assert answer.objectives == best.objectives and "fresh evaluations of the 2" in answer.reason
    assert run.holdout_result.figures[0].validation == best.objectives["exact_match"]
    assert run.ablation_result.variables[0].figures[0].best == best.objectives["exact_match"]
    events = await told(around, run)
    again = [each for each in events if each.type == RunEvent.TYPE_TRIAL_REPEATED]
    assert [dict(each.objectives) for each in again] == [dict(each.objectives) for each in found.trials]
    named = [each for each in events if each.type == RunEvent.TYPE_BEST_CHANGED][-1]
    assert named.trial_id == best.trial_id and named.sequence > again[-1].sequence
    report = await around.do(owner, "GetRunReport", GetRunReportRequest(id=run.id))
    assert {each.what: each.metric_calls for each in report.usage}["repeats"] == 16
    assert any("2 fresh evaluations of each of the 2" in each for each in report.summary)


async def test_a_configuration_is_evaluated_anew_where_the_run_asks_for_it(around: Neighbourhood) -> None:
    """Under seeds of its own, and it looks as good as its trials on the average; for other runs see test_forking."""
    owner, noise = await around.person(), Noise(around)
    heat = {"name": "temperature", "choice": {"choices": [0.4, 0.6]}}
    once = RepeatsConfiguration(count=1, candidates=1)
    asked = await wanted(around, owner, noise, heat, max_trials=4, repeats=once)
    run = await completed(around, owner, await around.start(owner, asked))
    request = ListTrialsRequest(optimization_run_id=run.id, order_by="number")
    trials = (await around.do(owner, "ListTrials", request)).trials
    assert len({each.content_hash for each in trials}) == 2 and max(Counter(noise.calls).values()) == 1
    assert len({each.evaluation_id for each in trials}) == 4 and len(noise.calls) == 4 * 4 + 4
    assert sorted(each.repeat for each in trials) in ([0, 0, 1, 1], [0, 0, 1, 2])
    for each in run.repeats_result.trials:
        of = [t for t in trials if t.content_hash == trials[each.trial_number - 1].content_hash]
        assert each.looked["exact_match"] == sum(t.objectives["exact_match"] for t in of) / len(of)


@pytest.mark.parametrize(
    ("limit", "rounds", "words"), [(23, 1, "before more than 1 of 2"), (15, 0, "by its trial alone")]
)
async def test_what_the_limits_do_not_reach_is_said(around: Neighbourhood, limit: int, rounds: int, words: str) -> None:
    """Only whole rounds count, so that each is judged by as much; without one the trials name the best."""
    owner, noise = await around.person(), Noise(around)
    asked = await wanted(around, owner, noise, limits=RunLimits(metric_calls=limit))
    run = await completed(around, owner, await around.start(owner, asked))
    found = run.repeats_result
    assert (found.rounds, run.completed_trials) == (rounds, 3) and words in found.error
    assert "limit of metric calls" in found.error and limit <= len(noise.calls) <= limit + 4
    assert all(len(each.evaluation_ids) == rounds for each in found.trials)
    if not rounds:
        request = ListTrialsRequest(optimization_run_id=run.id)
        best = max((await around.do(owner, "ListTrials", request)).trials, key=lambda t: t.objectives["exact_match"])
        assert run.best_objectives == best.objectives and found.best_trial_id == run.best_trial_id


async def test_what_a_limit_cut_off_is_done_when_the_limit_is_raised(around: Neighbourhood) -> None:
    """The evaluation that was cancelled then is no answer; what was evaluated afresh before is not paid again."""
    owner, noise = await around.person(), Noise(around)
    asked = await wanted(around, owner, noise, limits=RunLimits(metric_calls=23))
    run = await completed(around, owner, await around.start(owner, asked))
    assert run.repeats_result.rounds == 1
    limits = RunLimits(metric_calls=100)
    await around.do(
        owner, "ExtendOptimizationRun", ExtendOptimizationRunRequest(id=run.id, max_trials=4, limits=limits)
    )
    run = await completed(around, owner, run)
    found = run.repeats_result
    assert (found.rounds, found.error, [len(each.evaluation_ids) for each in found.trials]) == (2, "", [2, 2])
    assert not any(each.error for each in found.trials) and run.holdout_result.error == ""


async def test_a_takeover_in_the_middle_pays_nothing_twice(around: Neighbourhood) -> None:
    """What was evaluated afresh is read, what was in its middle goes on, and the outcome is the same."""
    owner, noise = await around.person(), Noise(around)
    noise.held_from = 3 * 4 + 2 * 4 + 2
    run = await around.start(owner, await wanted(around, owner, noise))
    async with around.working():

        async def held() -> bool:
            async with around.program_bench.database.system() as tx:
                kept = await tx.fetch_one(
                    "SELECT sum(finished_count) AS count FROM evaluations WHERE run_id = %(id)s", {"id": run.id}
                )
            return bool(kept and kept["count"] == noise.held_from)

        await until(held)
    noise.held_from = 10**6
    run = await completed(around, owner, run)
    assert run.repeats_result.rounds == 2 and run.repeats_result.metric_calls == 16
    assert len(noise.calls) == 3 * 4 + 16 and max(Counter(noise.calls).values()) == 1
    kinds = Counter(each.type for each in await told(around, run))
    assert kinds[RunEvent.TYPE_TRIAL_REPEATED] == 2 and kinds[RunEvent.TYPE_RUN_TAKEN_OVER] == 1


async def test_fresh_evaluations_of_a_round_are_under_way_side_by_side(around: Neighbourhood) -> None:
    """As many as the run may have trials at once, and the next round waits: each is judged by as much."""
    owner, noise = await around.person(), Noise(around)
    noise.held_from = 3 * 4
    repeats = RepeatsConfiguration(count=2, candidates=3)
    run = await around.start(owner, await wanted(around, owner, noise, parallelism=2, repeats=repeats))
    async with around.working():

        async def two_are_held() -> bool:
            return len(noise.held) >= 2

        await until(two_are_held)
        async with around.program_bench.database.system() as tx:
            begun = await tx.fetch_one(
                "SELECT count(*) AS count FROM evaluations WHERE run_id = %(id)s AND repeat >= 10000", {"id": run.id}
            )
        assert begun == {"count": 2} and len(noise.held) == 2
        around.model.let_go.set()
        await has(around, owner, run, Run.STATUS_COMPLETED)
    done = await around.do(owner, "GetOptimizationRun", GetOptimizationRunRequest(id=run.id))
    assert [len(each.evaluation_ids) for each in done.repeats_result.trials] == [2, 2, 2]


async def test_what_clients_evaluate_is_repeated_by_them(around: Neighbourhood) -> None:
    """The field is refused by its path."""
    owner = await around.person()
    asked = Run(evaluator=Run.EVALUATOR_EXTERNAL, strategy=Run.STRATEGY_RANDOM, max_trials=1)
    asked.variable_space_id = (await around.space(owner)).id
    asked.objectives.add(metric="gain", direction=Objective.DIRECTION_MAXIMIZE)
    asked.repeats.SetInParent()
    with pytest.raises(InvalidFields) as refused:
        await around.start(owner, asked)
    assert [each.path for each in refused.value.violations] == ["optimization_run.repeats"]
