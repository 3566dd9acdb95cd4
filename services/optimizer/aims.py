"""What a new run is to make better: its objectives, held against what the metrics declare, and completed by it."""

import math
from collections.abc import Iterator, Sequence

from ashgrove.optimizer.v1.optimization_run_pb2 import Objective
from ashgrove.program.v1.metric_pb2 import Metric

from framework.errors import FieldViolation, InvalidFields
from services.optimizer.metric_params import contradictions, param_faults

_PATH = "optimization_run.objectives"
# The one measure that is known in more than one aggregation of every evaluation.
_LATENCY = "latency_ms"
_OF_LATENCY = (Objective.AGGREGATION_P50, Objective.AGGREGATION_P95)


def completed_objectives(wanted: Sequence[Objective], metrics: Sequence[Metric]) -> list[Objective]:
    """Returns the objectives with direction, aggregation and reference as they will hold for the whole run.

    Raises InvalidFields with every contradiction to what the metrics declare, each with its path.
    """
    known = {metric.name: metric for metric in metrics}
    faults = [fault for i, objective in enumerate(wanted) for fault in _faults(f"{_PATH}[{i}]", objective, known)]
    faults += [*_named_twice(wanted), *_bounds_nothing(wanted), *contradictions(_PATH, wanted)]
    if faults:
        raise InvalidFields(*faults)
    return [_completed(objective, known[objective.metric]) for objective in wanted]


def own_objectives(wanted: Sequence[Objective]) -> list[Objective]:
    """Returns the objectives of a run whose clients measure themselves, the worst of each range as its reference.

    Raises InvalidFields with everything that is missing or contradicts itself, each with its path.
    """
    faults = [fault for i, objective in enumerate(wanted) for fault in _own_faults(f"{_PATH}[{i}]", objective)]
    faults += [*_named_twice(wanted), *_bounds_nothing(wanted)]
    if faults:
        raise InvalidFields(*faults)
    return [_own_completed(objective) for objective in wanted]


def _own_faults(path: str, objective: Objective) -> Iterator[FieldViolation]:
    low, high = _bounds(objective)
    if not objective.direction:
        yield FieldViolation(
            f"{path}.direction", "must be said: nobody but the run's clients knows which way is better"
        )
    if objective.aggregation:
        yield FieldViolation(f"{path}.aggregation", "must be left out: the run's clients report whole values")
    if objective.HasField("metric_params"):
        yield FieldViolation(f"{path}.metric_params", "must be left out: the run's clients measure themselves")
    if low > high:
        yield FieldViolation(f"{path}.low", f"must not be above high, which is {high:g}")
    for field in ("threshold", "reference"):
        if objective.HasField(field) and not low <= getattr(objective, field) <= high:
            yield FieldViolation(f"{path}.{field}", f"must be within the objective's range, {range_words(low, high)}")


def _own_completed(objective: Objective) -> Objective:
    made = Objective()
    made.CopyFrom(objective)
    worst = _bounds(objective)[0 if objective.direction == Objective.DIRECTION_MAXIMIZE else 1]
    if not objective.HasField("reference") and math.isfinite(worst):
        made.reference = worst
    return made


def _faults(path: str, objective: Objective, known: dict[str, Metric]) -> Iterator[FieldViolation]:
    metric = known.get(objective.metric)
    if metric is None or metric.error:
        usable = ", ".join(name for name, each in known.items() if not each.error)
        why = f"cannot be used: {metric.error}" if metric else "is no metric"
        yield FieldViolation(f"{path}.metric", f"{why}; there are {usable}")
        return
    yield from param_faults(f"{path}.metric_params", objective)
    if objective.direction not in (Objective.DIRECTION_UNSPECIFIED, metric.direction):
        way = Metric.Direction.Name(metric.direction).removeprefix("DIRECTION_").lower()
        yield FieldViolation(f"{path}.direction", f"contradicts {metric.name}, which is one to {way}")
    if objective.aggregation not in _aggregations(metric):
        names = ", ".join(Objective.Aggregation.Name(each) for each in _aggregations(metric) if each)
        yield FieldViolation(f"{path}.aggregation", f"{metric.name} has no such aggregation; there are {names}")
    for bound, is_told in (("low", objective.HasField("low")), ("high", objective.HasField("high"))):
        if is_told:
            yield FieldViolation(f"{path}.{bound}", f"must be left out: {metric.name} declares its own range")
    for field in ("threshold", "reference"):
        if objective.HasField(field) and not _within(metric, getattr(objective, field)):
            yield FieldViolation(
                f"{path}.{field}", f"must be within {metric.name}'s range, {range_words(*_bounds(metric))}"
            )


def _named_twice(wanted: Sequence[Objective]) -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for i, objective in enumerate(wanted):
        if objective.metric in seen:
            yield FieldViolation(f"{_PATH}[{i}].metric", "is named twice; an objective is about a metric of its own")
        seen.add(objective.metric)


def _bounds_nothing(wanted: Sequence[Objective]) -> Iterator[FieldViolation]:
    for i, objective in enumerate(wanted):
        path = f"{_PATH}[{i}].only_bounds"
        if objective.only_bounds and not objective.HasField("threshold"):
            yield FieldViolation(path, "needs a threshold: it is all that counts of such an objective")
        elif objective.only_bounds and not i:
            yield FieldViolation(path, "must not be set of the first objective: that is the one to make better")


def _aggregations(metric: Metric) -> list[Objective.Aggregation.ValueType]:
    # Both services number aggregations and directions alike; a test holds them together.
    own = Objective.Aggregation.ValueType(metric.aggregation)
    others = _OF_LATENCY if metric.name == _LATENCY else ()
    return list(dict.fromkeys((Objective.AGGREGATION_UNSPECIFIED, own, *others)))


def _within(metric: Metric, value: float) -> bool:
    low, high = _bounds(metric)
    # A sum of values within a range has no such range itself.
    summed = metric.aggregation == Metric.AGGREGATION_SUM
    return math.isfinite(value) and (summed or low <= value <= high)


def _bounds(metric: Metric | Objective) -> tuple[float, float]:
    low = metric.low if metric.HasField("low") else -math.inf
    high = metric.high if metric.HasField("high") else math.inf
    return low, high


def range_words(low: float, high: float) -> str:
    """Returns a range as people say it, either end of which may be infinite."""
    if math.isinf(low) or math.isinf(high):
        return f"{low:g} or more" if math.isfinite(low) else f"{high:g} or less"
    return f"{low:g} to {high:g}"


def _completed(objective: Objective, metric: Metric) -> Objective:
    made = Objective()
    made.CopyFrom(objective)
    made.direction = objective.direction or Objective.Direction.ValueType(metric.direction)
    made.aggregation = objective.aggregation or Objective.Aggregation.ValueType(metric.aggregation)
    worst = _bounds(metric)[0 if metric.direction == Metric.DIRECTION_MAXIMIZE else 1]
    if not objective.HasField("reference") and math.isfinite(worst) and metric.aggregation != Metric.AGGREGATION_SUM:
        made.reference = worst
    return made
