"""What an evaluation tells its metrics, judged before anything runs."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from ashgrove.program.v1 import program_pb2

from domain.metrics import METRICS
from domain.metrics.judging import scale_of
from domain.metrics.params import faults, unanswered
from domain.values import Json
from framework.errors import FieldViolation
from framework.patterns import matcher
from services.program.catalogue import base_of


def param_faults(metrics: Collection[str], told: Mapping[str, Json]) -> Iterator[FieldViolation]:
    """Yields what is wrong with the parameters of an evaluation's metrics, each with its path."""
    asked = {name if name in METRICS else base_of(name) for name in metrics}
    for name in told.keys() - asked:
        yield FieldViolation(f"metric_params.{name[:80]}", "is none of the metrics that are asked for")
    for name in sorted(asked & METRICS.keys()):
        found = list(faults(METRICS[name].params, told.get(name, {})))
        yield from (FieldViolation(_path(name, param), message) for param, message in found)
        if not found:
            yield from _meaning(name, told.get(name, {}))
    for name in asked - METRICS.keys() & told.keys():
        if not isinstance(told[name], Mapping):
            yield FieldViolation(f"metric_params.{name}", "must be an object of the metric's parameters")


def field_faults(program: program_pb2.Program, told: Mapping[str, Any]) -> Iterator[FieldViolation]:
    """Yields the fields that metrics are told to look at and the program does not answer with."""
    outputs = [field.name for field in program.signature_config.outputs]
    for name in sorted(told.keys() & METRICS.keys()):
        found = unanswered(name, told[name], outputs)
        yield from (FieldViolation(_path(name, place), message) for place, message in found)


def _meaning(name: str, params: Mapping[str, Json]) -> Iterator[FieldViolation]:
    try:
        if name == "regex":
            matcher(params["pattern"])
        if name == "lm_judge":
            scale_of(params)
    except ValueError as fault:
        param = "pattern" if name == "regex" else "low"
        yield FieldViolation(_path(name, param), f"cannot be used: {fault}")


def _path(name: str, param: str) -> str:
    return f"metric_params.{name}.{param}" if param else f"metric_params.{name}"
