"""What can be measured and which code can be run, as callers are told: the built-in and the registered."""

import math
from collections.abc import Iterator
from typing import Any

from ashgrove.program.v1 import metric_pb2 as pb

from domain.metrics import BUILT_IN, METRICS, Measure
from domain.metrics.params import Param
from services.program.code.contract import Catalogue, Promise, RegisteredMetric
from services.program.documents.retrieving import BUILT_IN as RETRIEVERS

_DIRECTIONS = {"maximize": pb.Metric.DIRECTION_MAXIMIZE, "minimize": pb.Metric.DIRECTION_MINIMIZE}
_AGGREGATIONS = {
    "mean": pb.Metric.AGGREGATION_MEAN,
    "sum": pb.Metric.AGGREGATION_SUM,
    "p50": pb.Metric.AGGREGATION_P50,
    "p95": pb.Metric.AGGREGATION_P95,
}


def metrics(registered: Catalogue) -> list[pb.Metric]:
    """Returns everything that can be measured: the built-in first, then what is registered, by name."""
    found = [_metric(measure, measure.description, built_in=True) for measure in BUILT_IN.values()]
    for metric in found:
        params = METRICS[metric.name].params if metric.name in METRICS else ()
        metric.params.extend(_param(param) for param in params)
    for name in sorted(registered.metrics):
        found += _registered(registered.metrics[name])
    return found


def _param(param: Param) -> pb.MetricParam:
    return pb.MetricParam(name=param.name, description=param.description, required=param.required)


def custom_programs(registered: Catalogue) -> list[pb.CustomProgram]:
    """Returns all registered code, by name."""
    programs = [registered.programs[name] for name in sorted(registered.programs)]
    return [pb.CustomProgram(entry_point=p.entry_point, description=p.description, error=p.error) for p in programs]


def tools(registered: Catalogue) -> list[pb.InstalledTool]:
    """Returns the registered code that programs can use as tools, by name."""
    found = [registered.tools[name] for name in sorted(registered.tools)]
    return [pb.InstalledTool(entry_point=t.entry_point, description=t.description, error=t.error) for t in found]


def retrievers(registered: Catalogue) -> list[pb.Retriever]:
    """Returns what can look up examples: the built-in first, then what is registered, by name."""
    built_in = [pb.Retriever(name=n, description=each.description, built_in=True) for n, each in RETRIEVERS.items()]
    found = [registered.retrievers[name] for name in sorted(registered.retrievers)]
    ours = [pb.Retriever(name=r.entry_point, description=r.description, error=r.error) for r in found]
    return built_in + ours


def _registered(metric: RegisteredMetric) -> Iterator[pb.Metric]:
    if metric.error:
        yield pb.Metric(name=metric.name, error=metric.error)
        return
    for name in sorted(metric.scores):
        yield _metric(measure_of(metric.scores[name]), metric.description, built_in=False)


def base_of(name: str) -> str:
    """Returns the metric that a name means, as a whole or a part of it."""
    return name.partition(".")[0]


def measure_of(promise: Promise) -> Measure:
    """Returns what registered code promises of a score, in the words of the domain."""
    words: Any = {"direction": promise.direction, "aggregation": promise.aggregation, "unit": promise.unit}
    low = -math.inf if promise.low is None else promise.low
    high = math.inf if promise.high is None else promise.high
    return Measure(promise.name, low, high, **words)


def _metric(measure: Measure, description: str, *, built_in: bool) -> pb.Metric:
    made = pb.Metric(
        name=measure.name,
        description=description,
        direction=_DIRECTIONS[measure.direction],
        unit=measure.unit,
        aggregation=_AGGREGATIONS[measure.aggregation],
        built_in=built_in,
    )
    if math.isfinite(measure.low):
        made.low = measure.low
    if math.isfinite(measure.high):
        made.high = measure.high
    return made
