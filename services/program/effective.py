"""What a run is done with: every parameter, its value and who set it; and the key under which it is the same again."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.program.v1 import program_pb2

from domain.values import Json, canonical_json
from services.program.configurations import settings_of, tuned
from services.program.lm.parameters import Parameters, parameters

_ELSEWHERE = ("demonstrations",)
"""What is told by the configuration itself, and too large to be told twice."""


def effective(program: program_pb2.Program, configuration: Mapping[str, Json]) -> list[dict[str, Any]]:
    """Returns every parameter with its value and source; of code and pipelines, what the call says."""
    if program.type in (program_pb2.Program.TYPE_CUSTOM, program_pb2.Program.TYPE_PIPELINE):
        return [
            {"name": name, "value": value, "source": "SOURCE_CALL"} for name, value in sorted(configuration.items())
        ]
    settings, (inputs, others) = settings_of(program), tuned(program.signature_config, configuration)
    values = parameters(settings, others)
    found = [
        {"name": name, "value": getattr(values, name), "source": _source(name, settings, others)}
        for name in Parameters.model_fields
        if name not in _ELSEWHERE
    ]
    return found + _said(inputs)


def _said(values: Mapping[str, Json]) -> list[dict[str, Any]]:
    return [{"name": name, "value": value, "source": "SOURCE_CALL"} for name, value in sorted(values.items())]


def _source(name: str, settings: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    if name in others:
        return "SOURCE_CALL"
    return "SOURCE_PROGRAM" if name in settings else "SOURCE_SYSTEM"


def same_run(*parts: Json | Mapping[str, Json] | Sequence[Json]) -> str:
    """Returns the key of a run: equal for what would be asked alike, whoever asks."""
    return hashlib.sha256(canonical_json(list(parts))).hexdigest()
