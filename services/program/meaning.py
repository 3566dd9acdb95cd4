"""What the names of models mean at the moment: which endpoint, called how."""

from collections.abc import Mapping
from typing import Any

from ashgrove.program.v1.program_pb2 import Program

from domain.values import Json
from framework.engine import Call
from services.program.configurations import settings_of, tuned
from services.program.connectors.directory import Directory
from services.program.connectors.endpoint import Endpoint
from services.program.defaults import Defaults, models_of
from services.program.lm.engine import LOCAL

_SEVERAL = (Program.TYPE_PIPELINE, Program.TYPE_REACT)
"""Programs of other programs, each of which may name a model of its own."""


async def models_meant(
    call: Call, program: Program, configuration: Mapping[str, Json], defaults: Defaults
) -> list[dict[str, Any]]:
    """Returns what the models are that a program may ask: two runs can only be the same where these are.

    A connector that was changed means something else by its name; what it costs makes no difference.
    """
    if program.type == Program.TYPE_CUSTOM:
        return []
    directory, organization = Directory(call.database), call.context.organization_id
    theirs = [{"endpoint": models_of(call).base_url}]
    if program.type in _SEVERAL:
        return theirs + [_meaning(each) for each in await directory.all(organization)]
    _, others = tuned(program.signature_config, configuration)
    model = str({**defaults.parameters, **settings_of(program), **others}["model"])
    found = None if model.startswith(LOCAL) else await directory.find(organization, model)
    return [_meaning(found)] if found else theirs


def _meaning(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": str(endpoint.id),
        "name": endpoint.name,
        "provider": endpoint.provider,
        "base_url": endpoint.base_url,
        "model": endpoint.model,
        "headers": dict(endpoint.headers),
        "output_tokens": endpoint.output_tokens,
    }
