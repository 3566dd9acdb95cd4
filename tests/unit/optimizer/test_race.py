"""A worker's race: whom a trial is compared with, when, and what is remembered."""

from typing import Any

import pytest
from ashgrove.program.v1.execution_pb2 import EvaluationResult

from domain.objectives import Objective
from services.optimizer.racing import Race

EXAMPLES = [f"example-{number}" for number in range(32)]
ONE = (Objective("score"),)


def race(objectives: tuple[Objective, ...] = ONE, aggregations: dict[str, str] | None = None, **run: Any) -> Race:
    usual: dict[str, Any] = {"racing": {}, "seed": 7, "parallelism": 2, "schedule": "SCHEDULE_ASYNCHRONOUS"}
    usual["inherited_trials"] = 0
    return Race(usual | run, objectives, aggregations or {})


def results(score: float, examples: list[str] = EXAMPLES) -> list[EvaluationResult]:
    return [EvaluationResult(example_id=each, scores={"score": score}, cost_micros=3) for each in examples]


def dropped_after(made: Race, number: int, score: float) -> int:
    """Returns after how many examples a trial is dropped, in the run's order; 0 when it never is."""
    order, _ = made._compared(number)
    for count, result in enumerate(results(score, order or EXAMPLES), 1):
        if made.note(number, result).dropped:
            return count
    return 0


def test_a_trial_is_judged_at_each_rung_and_only_there() -> None:
    """Against a trial of the front that saw all; a worse one goes at the first, an equal one never."""
    made = race()
    made.full(1, results(1.0))
    assert dropped_after(made, 2, 0.0) == 8
    assert dropped_after(made, 3, 1.0) == 0
    assert dropped_after(race(racing={"first_rung": 12}), 2, 0.0) == 0
    later = race(racing={"first_rung": 12})
    later.full(1, results(1.0))
    assert dropped_after(later, 2, 0.0) == 12
    assert later.expected(2) == {"score": 0.0}


@pytest.mark.parametrize(
    ("objectives", "aggregations"),
    [
        ((Objective("latency_ms", "minimize"),), {"latency_ms": "AGGREGATION_P95"}),
        ((Objective("score"),), {"score": "AGGREGATION_P50"}),
        ((Objective("score"), Objective("cost", "minimize")), {}),
    ],
)
def test_what_is_not_worse_in_every_objective_by_example_goes_on(
    objectives: tuple[Objective, ...], aggregations: dict[str, str]
) -> None:
    """A percentile is about all examples together; a trial that costs as much is not worse in that."""
    made = race(objectives, aggregations)
    made.full(1, results(1.0))
    assert dropped_after(made, 2, 0.0) == 0


def test_a_synchronous_run_compares_with_earlier_batches_only() -> None:
    """Which trial of a batch ends first must not matter."""
    made = race(schedule="SCHEDULE_SYNCHRONOUS", parallelism=2)
    made.full(1, results(1.0))
    assert dropped_after(made, 2, 0.0) == 0
    assert dropped_after(made, 3, 0.0) == 8


def test_only_the_front_is_remembered() -> None:
    """What a trial of the front got in full; a dropped or failed trial is nothing to compare with."""
    made = race()
    for number, score in ((1, 0.5), (2, 0.9), (3, 0.1)):
        for result in results(score):
            made.note(number, result)
        made.ended(number, in_full=number != 3, front=[number])
    assert made.unknown([1, 2, 3]) == {1, 2, 3} and not race(racing=None).unknown([1])
    made.full(2, results(0.9))
    made.ended(9, in_full=True, front=[2])
    assert made.unknown([2, 4]) == {4}
