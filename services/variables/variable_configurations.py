"""Variable configurations: points that somebody kept."""

import asyncio

from ashgrove.variables.v1 import variable_configuration_pb2, variable_space_pb2

from domain.space import Space
from domain.values import Invalid, content_hash
from framework.call import Role
from framework.engine import Call, of_readable
from framework.policy import bypass, has_role, owns, policy
from framework.resource import Resource, Storage, archiving
from framework.structs import struct_of, values_of
from services.variables.keeping import refuse_origin, refuse_strangers, refuse_twin
from services.variables.prompts import referred
from services.variables.runs import refuse_strange_run
from services.variables.spaces import archived, refusal, space_of
from services.variables.variable_spaces import VariableSpace


async def _pinned(call: Call, identifier: str, revision: int) -> tuple[variable_space_pb2.VariableSpace, Space]:
    """Returns a space that the caller may see, and what it means; raises IllegalState when it is archived."""
    found = await call.get(VariableSpace, identifier, revision=revision)
    if found.status == variable_space_pb2.VariableSpace.STATUS_ARCHIVED:
        raise archived(call.context.action)
    return found, await asyncio.to_thread(space_of, found)


_of_readable_space = of_readable(VariableSpace, "variable_space_id")


class VariableConfiguration(Resource[variable_configuration_pb2.VariableConfiguration]):
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
