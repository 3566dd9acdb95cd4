"""What a run is done with: every parameter, its value and who set it; and the key under which it is the same again."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.program.v1 import program_pb2

from domain.values import Json, canonical_json
from services.program.configurations import settings_of, tuned
from services.program.defaults import LIMIT, TIMEOUT, Defaults
from services.program.lm.parameters import Parameters, parameters

_ELSEWHERE = ("demonstrations",)
"""What is told by the configuration itself, and too large to be told twice."""
_BOUNDS = (TIMEOUT, LIMIT)


def effective(
    program: program_pb2.Program, configuration: Mapping[str, Json], defaults: Defaults
) -> list[dict[str, Any]]:
    """Returns every parameter with its value and source.

    Of code it is what the call says; of pipelines that, and what holds in their steps where these say nothing.
    """
    if program.type == program_pb2.Program.TYPE_CUSTOM:
        return _said(configuration, "SOURCE_CALL")
    if program.type == program_pb2.Program.TYPE_PIPELINE:
        outer = defaults.parameters
        found = [_told(name, outer[name], _source(name, {}, {}, defaults)) for name in sorted(outer)]
        return found + _said(configuration, "SOURCE_CALL")
    settings, (inputs, others) = settings_of(program), tuned(program.signature_config, configuration)
    values = parameters({**defaults.parameters, **settings}, others)
    found = [
        _told(name, getattr(values, name), _source(name, settings, others, defaults))
        for name in Parameters.model_fields
        if name not in _ELSEWHERE
    ]
    return found + _said(inputs, "SOURCE_CALL")


def model_of(program: program_pb2.Program, told: Sequence[Mapping[str, Any]]) -> str:
    """Returns the model among the parameters; empty for code, and for pipelines, whose steps may each ask another."""
    if program.type in (program_pb2.Program.TYPE_CUSTOM, program_pb2.Program.TYPE_PIPELINE):
        return ""
    return next(str(each["value"]) for each in told if each["name"] == "model")


def bounds(
    program: program_pb2.Program, given: Mapping[str, int], defaults: Defaults
) -> tuple[dict[str, int], list[dict[str, Any]]]:
    """Returns what an execution may take, as columns, and who set it; nobody sees what custom code spends."""
    custom = program.type == program_pb2.Program.TYPE_CUSTOM
    outer = {n: v for n, v in defaults.organization.items() if n in _BOUNDS and not (custom and n == LIMIT)}
    said = {f"execution_{name}": value for name, value in given.items()}
    columns = {name.removeprefix("execution_"): value for name, value in {**outer, **said}.items()}
    left = {name: value for name, value in outer.items() if name not in said}
    return columns, _said(left, "SOURCE_ORGANIZATION") + _said(said, "SOURCE_CALL")


def _said(values: Mapping[str, Json], source: str) -> list[dict[str, Any]]:
    return [_told(name, value, source) for name, value in sorted(values.items())]


def _told(name: str, value: Json, source: str) -> dict[str, Any]:
    return {"name": name, "value": value, "source": source}


def _source(name: str, settings: Mapping[str, Any], others: Mapping[str, Any], defaults: Defaults) -> str:
    if name in others:
        return "SOURCE_CALL"
    if name in settings:
        return "SOURCE_PROGRAM"
    return "SOURCE_ORGANIZATION" if name in defaults.organization else "SOURCE_SYSTEM"


def same_run(*parts: Json | Mapping[str, Json] | Sequence[Json]) -> str:
    """Returns the key of a run: equal for what would be asked alike, whoever asks."""
    # As text: a seed may be larger than JSON's numbers are exact.
    exact = [str(each) if type(each) is int else each for each in parts]
    return hashlib.sha256(canonical_json(exact)).hexdigest()
