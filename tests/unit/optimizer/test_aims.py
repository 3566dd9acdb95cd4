"""What a run is to make better is held against what the metrics declare, and completed by it."""

import math
from typing import Any

import pytest
from ashgrove.optimizer.v1.optimization_run_pb2 import Objective
from ashgrove.program.v1.metric_pb2 import Metric

from framework.errors import InvalidFields
from services.optimizer.aims import completed_objectives, own_objectives, range_words

UP, DOWN = Metric.DIRECTION_MAXIMIZE, Metric.DIRECTION_MINIMIZE
METRICS = [
    Metric(name="exact_match", direction=UP, low=0.0, high=1.0, aggregation=Metric.AGGREGATION_MEAN),
    Metric(name="cost", direction=DOWN, low=0.0, aggregation=Metric.AGGREGATION_MEAN),
    Metric(name="latency_ms", direction=DOWN, low=0.0, aggregation=Metric.AGGREGATION_P50),
    Metric(name="mistakes", direction=DOWN, low=0.0, high=1.0, aggregation=Metric.AGGREGATION_SUM),
    Metric(name="torn", error="it raises at import"),
]


def completed(**fields: Any) -> Objective:
    """Returns one objective as it would be stored."""
    return completed_objectives([Objective(**fields)], METRICS)[0]


def refused(*objectives: Objective) -> dict[str, str]:
    """Returns what is wrong, by path below the objectives."""
    with pytest.raises(InvalidFields) as failure:
        completed_objectives(objectives, METRICS)
    return {v.path.removeprefix("optimization_run.objectives"): v.message for v in failure.value.violations}


def test_both_services_number_directions_and_aggregations_alike() -> None:
    """So that the one's number is the other's."""
    assert dict(Objective.Direction.items()) == dict(Metric.Direction.items())
    assert dict(Objective.Aggregation.items()) == dict(Metric.Aggregation.items())


def test_the_declaration_completes_what_is_not_said() -> None:
    """X-56: direction, aggregation and the worst end of the range; an infinite end makes no reference."""
    accuracy, cost = completed(metric="exact_match"), completed(metric="cost")
    assert (accuracy.direction, accuracy.aggregation) == (UP, Objective.AGGREGATION_MEAN)
    assert accuracy.reference == 0.0 and accuracy.HasField("reference") and not accuracy.HasField("threshold")
    assert cost.direction == DOWN and not cost.HasField("reference")


def test_what_is_said_is_kept() -> None:
    """Threshold, reference and the tail of the latency."""
    said = completed(
        metric="latency_ms", aggregation=Objective.AGGREGATION_P95, threshold=200.0, reference=1000.0, direction=DOWN
    )
    assert (said.aggregation, said.threshold, said.reference) == (Objective.AGGREGATION_P95, 200.0, 1000.0)


def test_a_sum_is_not_held_to_the_range_of_one_example() -> None:
    """Its worst end depends on how many examples there are."""
    said = completed(metric="mistakes", threshold=40.0)
    assert said.threshold == 40.0 and not said.HasField("reference")


def test_unknown_and_unusable_metrics_are_refused_with_those_there_are() -> None:
    """The usable ones are named; why one cannot be used as well."""
    faults = refused(Objective(metric="accuracy"), Objective(metric="torn"))
    assert "is no metric; there are exact_match, cost, latency_ms, mistakes" in faults["[0].metric"]
    assert "torn" not in faults["[0].metric"] and "it raises at import" in faults["[1].metric"]


def test_contradictions_are_refused_all_at_once() -> None:
    """The opposite direction, the same metric twice, another aggregation: each with its path."""
    faults = refused(
        Objective(metric="cost", direction=UP),
        Objective(metric="exact_match", aggregation=Objective.AGGREGATION_P95),
        Objective(metric="exact_match"),
        Objective(metric="latency_ms", aggregation=Objective.AGGREGATION_MEAN),
    )
    assert set(faults) == {"[0].direction", "[1].aggregation", "[2].metric", "[3].aggregation"}
    assert "minimize" in faults["[0].direction"] and "twice" in faults["[2].metric"]
    assert "AGGREGATION_P50, AGGREGATION_P95" in faults["[3].aggregation"]


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["threshold", "reference"])
def test_thresholds_and_references_lie_within_the_declared_range(field: str, value: float) -> None:
    """NaN and infinities lie in no range."""
    faults = refused(Objective(metric="exact_match", **{field: value}))  # type: ignore[arg-type]
    assert list(faults) == [f"[0].{field}"] and "0 to 1" in faults[f"[0].{field}"]


def test_an_objective_that_only_bounds_has_a_threshold_and_is_not_the_first() -> None:
    """Whoever measures."""
    bare, first = Objective(metric="mine", direction=UP, only_bounds=True), Objective(metric="own", direction=UP)
    bound = Objective(metric="size", direction=DOWN, threshold=0, only_bounds=True)
    for wanted, path in (([first, bare], "[1]"), ([bound, first], "[0]")):
        with pytest.raises(InvalidFields) as failure:
            own_objectives(wanted)
        assert [v.path for v in failure.value.violations] == [f"optimization_run.objectives{path}.only_bounds"]
    assert own_objectives([first, bound])[1].only_bounds
    faults = refused(Objective(metric="exact_match", threshold=0.5, only_bounds=True))
    assert list(faults) == ["[0].only_bounds"]


def test_what_metrics_are_told_is_judged_before_the_run() -> None:
    """What is missing or of no use; parts of one metric are told the same, and measures of every evaluation nothing."""
    known = [Metric(name=name, direction=UP) for name in ("regex", "lm_judge", "cost", "tone.warm", "tone.brief")]
    wanted = [Objective(metric=metric.name) for metric in known]
    wanted[1].metric_params.update({"rubric": "short", "low": 9})
    for told in wanted[2:4]:
        told.metric_params.update({"style": "plain"})
    with pytest.raises(InvalidFields) as failure:
        completed_objectives(wanted, known)
    assert [v.path.removeprefix("optimization_run.objectives") for v in failure.value.violations] == [
        "[0].metric_params.pattern",
        "[1].metric_params.low",
        "[2].metric_params",
        "[4].metric_params",
    ]
    with pytest.raises(InvalidFields, match="metric_params"):
        own_objectives([Objective(metric="mine", direction=UP, metric_params=wanted[1].metric_params)])


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "(?=a)"])
def test_an_expression_that_is_none_is_refused_before_the_run(pattern: str) -> None:
    """Told at its place, with what is wrong with it; the same expressions as an evaluation knows."""
    wanted = Objective(metric="regex")
    wanted.metric_params.update({"pattern": pattern})
    with pytest.raises(InvalidFields) as failure:
        completed_objectives([wanted], [Metric(name="regex", direction=UP)])
    (violation,) = failure.value.violations
    assert violation.path.endswith("objectives[0].metric_params.pattern") and "cannot be used" in violation.message


@pytest.mark.parametrize(
    ("low", "high", "words"), [(0, 1, "0 to 1"), (0, math.inf, "0 or more"), (-math.inf, 2.5, "2.5 or less")]
)
def test_a_range_is_said_as_people_say_it(low: float, high: float, words: str) -> None:
    """One that is open at an end names no infinity."""
    assert range_words(low, high) == words
