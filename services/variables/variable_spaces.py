"""Variable spaces: where they rest, and who may act on them."""

from ashgrove.variables.v1 import variable_space_pb2

from framework.call import Role
from framework.engine import Call
from framework.errors import InvalidFields
from framework.policy import bypass, has_role, is_public, owns, policy, signed_in
from framework.query.aggregates import count
from framework.resource import Resource, Rollup, Storage, archiving
from services.variables.components import fill_components, refuse_metadata
from services.variables.spaces import measured_apart, size_of, space_of

_EDITS = (
    "AddVariable",
    "UpdateVariable",
    "RemoveVariable",
    "ReorderVariables",
    "AddConstraint",
    "RemoveConstraint",
    "MergeVariableSpaces",
)
_DRAWINGS = ("GenerateConfigurations", "StreamConfigurations")


class VariableSpace(Resource[variable_space_pb2.VariableSpace]):
    """What may be tuned: read by its owner and, when public, by the organization; its variables are revisioned."""

    rollups = {"optimization_run_count": Rollup("optimizer", "optimization_run", "variable_space_id")}
    storage = Storage(
        owner="owner_id",
        unique=[("owner_id", "name")],
        indexes=[("status", "created_at"), ("owner_id", "created_at")],
        content=("variables", "constraints"),
        initial={"status": variable_space_pb2.VariableSpace.STATUS_ACTIVE},
    )
    states = archiving("Update", *_DRAWINGS, *_EDITS)
    computed = {"configuration_count": count("configurations", where="archived_at = null")}
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", "Update", "Archive", "Unarchive", *_EDITS, allow=has_role(Role.USER) & owns),
        policy("Purge", allow=has_role(Role.ADMIN)),
        # Drawing, judging and comparing change nothing: whoever may read a space may do it.
        policy("Get", "List", "ValidateConfiguration", *_DRAWINGS, "ExportVariableSpace", allow=owns | is_public),
        # What they give is kept nowhere, and what they read is asked of its own service as the caller.
        policy("ImportVariableSpace", "ExtractVariableSpace", allow=signed_in),
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
