"""Values judged by a space."""

import asyncio

from ashgrove.variables.v1.variable_configuration_requests_pb2 import (
    ValidateConfigurationRequest,
    ValidateConfigurationResponse,
)

from domain.values import Invalid, content_hash
from framework.engine import Call
from framework.resource import action
from framework.structs import struct_of, values_of
from services.variables.prompts import referred
from services.variables.spaces import space_of, violation_of
from services.variables.variable_spaces import VariableSpace


@action(VariableSpace, "ValidateConfiguration")
async def validate(call: Call, request: ValidateConfigurationRequest) -> ValidateConfigurationResponse:
    """Judges values, telling every violation at once."""
    verb = "ValidateConfiguration"
    found = await call.get(VariableSpace, request.variable_space_id, revision=request.revision, verb=verb)
    response = ValidateConfigurationResponse()
    try:
        given = values_of(request.values)
        space = await referred(call, found.id, await asyncio.to_thread(space_of, found), given)
        values = (space.within(request.slots) if request.slots else space).validate(given)
    except Invalid as invalid:
        response.violations.extend(map(violation_of, invalid.violations))
        return response
    response.valid, response.content_hash = True, content_hash(values)
    response.normalized_values.CopyFrom(struct_of(values))
    return response
