"""Variable spaces and configurations: where they rest, who may act on them, and how points are drawn and judged."""

import asyncio
from typing import Any

from ashgrove.variables.v1 import variable_configuration_pb2, variable_space_pb2
from ashgrove.variables.v1.variable_configuration_requests_pb2 import (
    ValidateConfigurationRequest,
    ValidateConfigurationResponse,
)

from domain.space import Space
from domain.values import Invalid, content_hash
from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import InvalidFields
from framework.policy import bypass, has_role, is_public, owns, policy, signed_in
from framework.query.aggregates import count
from framework.resource import Resource, Rollup, Storage, action, archiving
from framework.structs import struct_of, values_of
from services.variables.components import BuiltInComponent, Component, fill_components, refuse_metadata
from services.variables.configuration_uses import ConfigurationUses
from services.variables.exchanging import EXPORTS, PROPOSALS, Exchanges
from services.variables.generating import GENERATIONS, Generations
from services.variables.keeping import refuse_origin, refuse_strangers, refuse_twin
from services.variables.presets import VariablePreset
from services.variables.prompts import KeptPromptValue, referred
from services.variables.runs import refuse_strange_run
from services.variables.space_comparisons import SpaceComparisons
from services.variables.space_edits import EDITS, SpaceEdits
from services.variables.spaces import archived, measured_apart, refusal, size_of, space_of, violation_of


class VariableSpace(SpaceEdits, SpaceComparisons, Generations, Exchanges, Resource[variable_space_pb2.VariableSpace]):
    """What may be tuned: read by its owner and, when public, by the organization; its variables are revisioned."""

    rollups = {"optimization_run_count": Rollup("optimizer", "optimization_run", "variable_space_id")}
    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name")],
        indexes=[("status", "created_at"), ("owner_id", "created_at")],
        content=("variables", "constraints"),
        initial={"status": variable_space_pb2.VariableSpace.STATUS_ACTIVE},
    )
    states = archiving("Update", *GENERATIONS, *EDITS)
    computed = {"configuration_count": count("configurations", where="archived_at = null")}
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "Update", "Archive", "Unarchive", *EDITS, allow=has_role(Role.USER) & owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
        # Drawing, judging and comparing change nothing: whoever may read a space may do it.
        policy("Get", "List", "ValidateConfiguration", *GENERATIONS, *EXPORTS, allow=owns | is_public),
        # What they give is kept nowhere, and what they read is asked of its own service as the caller.
        policy(*PROPOSALS, allow=signed_in),
        policy("AnalyzeVariableSpace", "DiffVariableSpaces", allow=owns | is_public),
        policy("CloneVariableSpace", allow=has_role(Role.USER) & (owns | is_public)),
    ]

    async def prepare(
        self, call: Call, new: variable_space_pb2.VariableSpace, old: variable_space_pb2.VariableSpace | None
    ) -> None:
        """Refuses what is no space, naming every place, completes its components and derives its size."""
        prefix = "variable_space."
        refuse_metadata(new, prefix)
        # A copy of a sound space stays what it is, as the space does, whatever has become of its components.
        copied = call.context.action == "CloneVariableSpace"
        faults = [] if copied else await fill_components(call, new, old, prefix)
        try:
            size = await measured_apart(new, prefix)
        except InvalidFields as invalid:
            raise InvalidFields(*faults, *invalid.violations) from None
        if faults:
            raise InvalidFields(*faults)
        new.size.CopyFrom(size)
        new.visibility = new.visibility or variable_space_pb2.VariableSpace.VISIBILITY_PRIVATE

    def derive(self, message: variable_space_pb2.VariableSpace) -> None:
        """Recomputes the size of an earlier revision."""
        message.size.CopyFrom(size_of(space_of(message)))

    @action("ValidateConfiguration")
    async def validate(self, call: Call, request: ValidateConfigurationRequest) -> ValidateConfigurationResponse:
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


async def _pinned(call: Call, identifier: str, revision: int) -> tuple[variable_space_pb2.VariableSpace, Space]:
    """Returns a space that the caller may see, and what it means; raises IllegalState when it is archived."""
    found = await call.get(VariableSpace, identifier, revision=revision)
    if found.status == variable_space_pb2.VariableSpace.STATUS_ARCHIVED:
        raise archived(call.context.action)
    return found, await asyncio.to_thread(space_of, found)


_of_readable_space = of_readable(VariableSpace, "variable_space_id")


class VariableConfiguration(ConfigurationUses, Resource[variable_configuration_pb2.VariableConfiguration]):
    """Points that somebody kept: read by whoever may read their space, put away by their owner."""

    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name"), ("variable_space_id", "variable_space_revision", "content_hash")],
        indexes=[("variable_space_id", "created_at")],
        references={"variable_space_id": "variable_spaces"},
        initial={"status": variable_configuration_pb2.VariableConfiguration.STATUS_ACTIVE},
    )
    states = archiving()
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "Archive", "Unarchive", allow=has_role(Role.USER) & owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
        policy("Get", "List", "CompareConfigurations", allow=owns | _of_readable_space),
        # What becomes of the program is for the program service to allow.
        policy("ApplyConfiguration", "UndoConfiguration", allow=has_role(Role.USER) & (owns | _of_readable_space)),
    ]

    async def prepare(
        self,
        call: Call,
        new: variable_configuration_pb2.VariableConfiguration,
        old: variable_configuration_pb2.VariableConfiguration | None,
    ) -> None:
        """Pins the space's revision and keeps the values normalised, defaults filled in, with their hash."""
        pinned = (new.variable_space_id, new.variable_space_revision)
        found, its = await call.remembered(("space", *pinned), lambda: _pinned(call, *pinned))
        try:
            given = values_of(new.values)
            space = await referred(call, found.id, its, given)
            values = space.validate(given)
        except Invalid as invalid:
            raise refusal(invalid.violations, "variable_configuration.") from None
        new.variable_space_revision = found.revision
        new.values.CopyFrom(struct_of(values))
        new.content_hash = content_hash(values)
        new.origin = new.origin or variable_configuration_pb2.VariableConfiguration.ORIGIN_MANUAL
        refuse_origin(new)
        await refuse_strangers(call, VariableConfiguration, new)
        await refuse_strange_run(call, new, "variable_configuration.")
        if call.context.action == "CreateVariableConfiguration":  # of a batch, places are told instead
            await refuse_twin(call, VariableConfiguration, new)


RESOURCES: list[type[Resource[Any]]] = [
    VariableSpace,
    VariableConfiguration,
    Component,
    BuiltInComponent,
    KeptPromptValue,
    VariablePreset,
]
