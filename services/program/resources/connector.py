"""Connectors, what the platform shares of them, and the calls that were made through them."""

from ashgrove.program.v1 import connector_pb2

from framework.call import Role
from framework.engine import Call
from framework.policy import bypass, forbid, has_role, is_guest, is_operator, is_service, owns, policy, signed_in
from framework.resource import Resource, StateMachine, Storage
from services.program.connectors import soundness

_ACTS = ("Update", "Archive", "Unarchive", "CheckConnector", "TryConnector", "ShareConnector", "UnshareConnector")
_IN_USE = ("Update", "CheckConnector", "TryConnector", "ShareConnector")


class Connector(Resource[connector_pb2.Connector]):
    """Connectors: seen by their organization, kept by its administrators, shared by the platform's operator."""

    storage = Storage(
        owner="owner_id",
        unique=[("name",)],
        indexes=[("status", "created_at")],
        initial={"status": connector_pb2.Connector.STATUS_ACTIVE},
    )
    # Never purged: what was spent through it is told by its name for good.
    states = StateMachine(
        "status",
        {
            "ACTIVE": {"Archive": "ARCHIVED", "Unarchive": "ACTIVE", **dict.fromkeys(_IN_USE, "ACTIVE")},
            "ARCHIVED": {"Archive": "ARCHIVED", "Unarchive": "ACTIVE"},
        },
    )
    policies = [
        bypass(is_service, "Get", "Update"),
        # The operator, let into an organization of others, neither changes nor spends what is theirs.
        forbid(is_guest, "Create", *_ACTS),
        # Which models there are is no secret inside the organization, and what they cost should not be.
        policy("Get", "List", allow=signed_in),
        # The operator keeps those of the platform in the operators' own organization, whose administrator nobody is.
        policy("Create", "Update", "Archive", "Unarchive", allow=has_role(Role.ADMIN) | is_operator),
        policy("CheckConnector", "TryConnector", "GetConnectorUsage", allow=has_role(Role.ADMIN) | is_operator),
        policy("ShareConnector", "UnshareConnector", allow=is_operator),
    ]

    async def prepare(self, call: Call, new: connector_pb2.Connector, old: connector_pb2.Connector | None) -> None:
        """Refuses addresses out of bounds, credentials in the open, and prices that contradict themselves."""
        soundness.refuse(call, new, old)


class ConnectorShare(Resource[connector_pb2.ConnectorShare]):
    """Shares: a row in the organization that may use the connector, written by the operator alone."""

    storage = Storage(
        unique=[("connector_id",)],
        indexes=[("name",)],
        hidden={"lender_id": "uuid NOT NULL"},
        initial={"status": connector_pb2.ConnectorShare.STATUS_ACTIVE},
    )
    policies = [
        policy("Get", "List", allow=signed_in),
        policy("Create", "Update", allow=is_operator),
    ]


class ModelCall(Resource[connector_pb2.ModelCall]):
    """Model calls: seen by whoever's work made them and by administrators; written by workers alone."""

    storage = Storage(
        owner="owner_id",
        indexes=[("connector_id", "created_at"), ("work_id", "created_at"), ("owner_id", "created_at")],
        hidden={"worker": "text NOT NULL DEFAULT ''", "expected": "jsonb", "lender_id": "uuid"},
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=owns),
    ]
