"""What an evaluation is asked to measure, and what it may take until it is given up: judged before there is one."""

from collections.abc import Collection
from typing import Any

from ashgrove.custom import METRICS as GROUP
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramRequest

from domain.metrics import BUILT_IN, METRICS
from domain.metrics.vectors import LOCAL
from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation, InvalidFields
from framework.structs import values_of
from services.program.catalogue import base_of
from services.program.code.registry import registered
from services.program.scoring.told import field_faults, param_faults

CONSECUTIVE_FAILURES = 25
"""After how many failures in a row an evaluation is given up that says nothing about it."""
Request = EvaluateProgramRequest


def patience(request: Request) -> dict[str, Any]:
    """Returns how many failures an evaluation bears."""
    most = request.max_consecutive_failures if request.HasField("max_consecutive_failures") else CONSECUTIVE_FAILURES
    budget = request.error_budget if request.HasField("error_budget") else 1.0
    return {"error_budget": budget, "max_consecutive_failures": most}


def limit(request: Request) -> int | None:
    """Returns what an evaluation may cost, in millionths of a dollar; None where that is not said."""
    return request.max_cost_micros if request.HasField("max_cost_micros") else None


def refuse_unlimited(program: program_pb2.Program, request: Request) -> None:
    """Raises InvalidFields for a limit of cost on what has no price that anybody knows."""
    if not request.HasField("max_cost_micros"):
        return
    if program.type == program_pb2.Program.TYPE_CUSTOM:
        raise InvalidFields(FieldViolation("max_cost_micros", "is for programs that ask a model only"))
    vectors = values_of(request.metric_params).get("embedding_similarity") or {}
    if vectors.get("model", LOCAL) != LOCAL:
        told = "cannot be kept: what vectors of a model cost nobody knows; leave one of the two out"
        raise InvalidFields(FieldViolation("max_cost_micros", told))


def metrics(request: Request) -> list[str]:
    """Returns the metrics that a request names, or the one that is meant where it names none."""
    return list(request.metrics) or ["exact_match"]


def known_metrics(request: Request) -> list[str]:
    """Returns the metrics that a request asks for; raises InvalidFields for one that nobody knows.

    Which parts a registered metric has is known where its code is imported: not here.
    """
    wanted = metrics(request)
    if METRICS.keys() >= set(wanted):
        return wanted
    ours = registered(GROUP).entries.keys()
    faults = [
        FieldViolation(f"metrics[{i}]", _unknown(name, [*METRICS, *ours]))
        for i, name in enumerate(wanted)
        if name not in METRICS and base_of(name) not in ours
    ]
    if faults:
        raise InvalidFields(*faults)
    return wanted


def known_params(request: Request, program: program_pb2.Program) -> dict[str, Json]:
    """Returns what a request tells its metrics; raises InvalidFields for what they cannot be told of this program."""
    try:
        told = normalise(values_of(request.metric_params), "metric_params")
    except Invalid as invalid:
        raise InvalidFields(*(FieldViolation(v.path, v.message) for v in invalid.violations)) from None
    if found := list(param_faults(metrics(request), told)) or list(field_faults(program, told)):
        raise InvalidFields(*found)
    return dict(told)


def _unknown(name: str, known: Collection[str]) -> str:
    if name in BUILT_IN:
        return f"{name} is known of every evaluation, and is no metric to ask for"
    return f"unknown; there are {', '.join(sorted(known))}"
