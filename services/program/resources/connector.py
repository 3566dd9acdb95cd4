"""Connectors, what the platform shares of them, and the calls that were made through them."""

from ashgrove.program.v1 import connector_pb2, connector_requests_pb2

from framework.call import Role
from framework.engine import Call
from framework.policy import bypass, forbid, has_role, is_guest, is_operator, is_service, owns, policy, signed_in
from framework.resource import Resource, StateMachine, Storage, action
from services.program.connectors import probing, sharing, soundness
from services.program.connectors.usage import usage_of

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

    @action("CheckConnector")
    async def check(self, call: Call, request: connector_requests_pb2.CheckConnectorRequest) -> connector_pb2.Connector:
        """Has a worker ask the endpoint, and returns the connector with what it said."""
        await probing.done(call, await probing.ask_for(call, Connector, request.id, "CheckConnector", {}))
        checked: connector_pb2.Connector = await call.get(Connector, request.id)
        return checked

    @action("TryConnector")
    async def test(
        self, call: Call, request: connector_requests_pb2.TryConnectorRequest
    ) -> connector_requests_pb2.TryConnectorResponse:
        """Has a worker make one small call, and returns how it went."""
        asked = {"prompt": request.prompt or 'Say "ok".', "max_tokens": request.max_tokens or 16}
        said = await probing.done(call, await probing.ask_for(call, Connector, request.id, "TryConnector", asked))
        return connector_requests_pb2.TryConnectorResponse(**said)

    @action("ShareConnector")
    async def share(
        self, call: Call, request: connector_requests_pb2.ShareConnectorRequest
    ) -> connector_pb2.ConnectorShare:
        """Lets an organization use the connector, or changes its terms."""
        async with call.transaction():
            row = await call.row(Connector, request.id, verb="ShareConnector", lock=True)
        shared: connector_pb2.ConnectorShare = await sharing.share(call, ConnectorShare, row, request)
        return shared

    @action("UnshareConnector")
    async def unshare(
        self, call: Call, request: connector_requests_pb2.UnshareConnectorRequest
    ) -> connector_pb2.ConnectorShare:
        """Takes the connector back from an organization."""
        row = await call.row(Connector, request.id, verb="UnshareConnector")
        withdrawn: connector_pb2.ConnectorShare = await sharing.withdraw(
            call, ConnectorShare, row, request.organization_id
        )
        return withdrawn

    @action("GetConnectorUsage")
    async def usage(
        self, call: Call, request: connector_requests_pb2.GetConnectorUsageRequest
    ) -> connector_requests_pb2.GetConnectorUsageResponse:
        """Tells what the connector was used for, whoever's work it was."""
        row = await call.row(Connector, request.id, verb="GetConnectorUsage")
        usage = await usage_of(call.database, row["id"], request.from_month)
        return connector_requests_pb2.GetConnectorUsageResponse(usage=usage)


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
