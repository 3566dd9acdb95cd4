"""Audit entries: read by administrators, one's own by everybody, changed by nobody."""

from typing import Any

from ashgrove.audit.v1 import audit_checkpoint_pb2, audit_entry_pb2

from framework.call import Role
from framework.policy import bypass, has_role, policy, relates_to
from framework.resource import Resource, Storage


class AuditEntry(Resource[audit_entry_pb2.AuditEntry]):
    """One link of an organization's chain; only the followers of the feeds add to it."""

    storage = Storage(
        unique=[("sequence",)],
        indexes=[("actor_id", "created_at"), ("resource_id", "created_at"), ("type", "created_at")],
        append_only=True,
        droppable=("data", "changed_paths", "before", "payload_salt"),
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=relates_to("actor_id")),
        policy("VerifyAuditChain", allow=has_role(Role.ADMIN)),
    ]


class AuditCheckpoint(Resource[audit_checkpoint_pb2.AuditCheckpoint]):
    """A signed statement about a chain; only the signer adds to it."""

    storage = Storage(unique=[("sequence",)], append_only=True)
    policies = [policy("Get", "List", allow=has_role(Role.ADMIN))]


RESOURCES: list[type[Resource[Any]]] = [AuditEntry, AuditCheckpoint]
