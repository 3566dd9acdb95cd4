"""What a run's objectives tell their metrics: judged before the run, and handed to every evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.optimization_run_pb2 import Objective

from domain.metrics import BUILT_IN, METRICS
from domain.metrics.judging import scale_of
from domain.metrics.params import faults, unanswered
from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation
from framework.patterns import matcher
from framework.structs import values_of


def param_faults(path: str, objective: Objective) -> Iterator[FieldViolation]:
    """Yields what is wrong with what a metric is told; what a registered one reads only its code knows."""
    try:
        params = normalise(values_of(objective.metric_params), path)
    except Invalid as invalid:
        yield from (FieldViolation(each.path, each.message) for each in invalid.violations)
        return
    if objective.metric in METRICS:
        yield from _of_built_in(path, objective.metric, params)
    elif objective.metric in BUILT_IN and params:
        yield FieldViolation(path, f"must be left out: {objective.metric} is measured of every evaluation")


def field_faults(path: str, wanted: Sequence[Objective], outputs: Sequence[str]) -> Iterator[FieldViolation]:
    """Yields the fields that metrics are told to look at and the program does not answer with."""
    for index, objective in enumerate(wanted):
        if objective.metric in METRICS:
            found = unanswered(objective.metric, values_of(objective.metric_params), outputs)
            yield from (FieldViolation(f"{path}[{index}].metric_params.{place}", told) for place, told in found)


def _of_built_in(path: str, name: str, params: Mapping[str, Json]) -> Iterator[FieldViolation]:
    found = list(faults(METRICS[name].params, params))
    yield from (FieldViolation(f"{path}.{param}", message) for param, message in found)
    if not found:
        yield from _meaningless(path, name, params)


def _meaningless(path: str, name: str, params: Mapping[str, Any]) -> Iterator[FieldViolation]:
    """Yields what a metric can be told by its kind, and not by what it says."""
    try:
        if name == "lm_judge":
            scale_of(params)
        elif name == "regex":
            matcher(params["pattern"])
    except ValueError as fault:
        yield FieldViolation(f"{path}.{'pattern' if name == 'regex' else 'low'}", f"cannot be used: {fault}")


def contradictions(path: str, wanted: Sequence[Objective]) -> Iterator[FieldViolation]:
    """Yields the objectives about parts of one metric that tell it something else than the first of them does."""
    first: dict[str, Objective] = {}
    for index, objective in enumerate(wanted):
        earlier = first.setdefault(_base(objective.metric), objective)
        if earlier.metric_params != objective.metric_params:
            told = f"must be what {earlier.metric} is told: the metric is the same"
            yield FieldViolation(f"{path}[{index}].metric_params", told)


def metric_params(run: Mapping[str, Any]) -> dict[str, Json]:
    """Returns what the objectives of a run's row tell their metrics, by the metric's name."""
    return {_base(each["metric"]): each["metric_params"] for each in run["objectives"] if each.get("metric_params")}


def _base(metric: str) -> str:
    return metric if metric in BUILT_IN else metric.partition(".")[0]
