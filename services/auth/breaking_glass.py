"""Breaking glass: how the operator, who sees no tenant's content, is let into one, for a reason and a short time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from ashgrove.auth.v1 import api_key_pb2, user_pb2
from ashgrove.auth.v1.organization_requests_pb2 import BreakGlassRequest, BreakGlassResponse

from framework.call import Context
from framework.engine import Call
from framework.engine.creating import insert
from framework.engine.writing import event_of
from framework.errors import IllegalState
from framework.identifiers import new_id
from framework.resource import action
from framework.storage import Transaction
from services.auth import keys
from services.auth.founding import inside, key_columns
from services.auth.organizations import Organization
from services.auth.suspending import found

DEFAULT_SECONDS = 900
_PLACE = "break-glass.invalid"


@action(Organization, "BreakGlass")
async def break_glass(call: Call, request: BreakGlassRequest) -> BreakGlassResponse:
    """Makes the operator a member of an organization until some minutes from now, with a key.

    The member and the key are the organization's to see and to end; both trails are told the reason. Raises
    IllegalState while the organization is suspended.
    """
    registry, secret = call.engine.registry, keys.new_key()
    users, api_keys = (registry.by_message(f"ashgrove.auth.v1.{noun}") for noun in ("User", "ApiKey"))
    ends = datetime.now(UTC) + timedelta(seconds=request.lifetime_seconds or DEFAULT_SECONDS)
    async with call.database.system() as tx:
        organization = await found(tx, request.id)
        if organization["suspended_at"] is not None:
            raise IllegalState("nobody comes into a suspended organization; legal: ResumeOrganization")
        within = inside(call.context, organization["id"])
        hidden = {"kind": "KIND_BREAK_GLASS", "ended_at": ends}
        user = await insert(tx, users, within, _member(request, call.context), hidden)
        key = api_key_pb2.ApiKey(name=f"break-glass: {request.reason}"[:255], user_id=user.id)
        key.expires_at.FromDatetime(ends)
        made = await insert(tx, api_keys, within, key, key_columns(secret, call.application.pepper, call.actor))
        for context in (within, call.context):
            await _tell(tx, context, request, user)
    return BreakGlassResponse(user=user, api_key=made, secret=secret)


def _member(request: BreakGlassRequest, context: Context) -> user_pb2.User:
    role = request.role or user_pb2.User.ROLE_VIEWER
    who = context.actor.label or context.actor.id
    mailbox = who.partition("@")[0][:20]
    return user_pb2.User(email=f"{mailbox}-{new_id().hex}@{_PLACE}", name=f"Operator {who}"[:255], role=role)


async def _tell(tx: Transaction, context: Context, request: BreakGlassRequest, user: Any) -> None:
    event = event_of(context, "break_glass.granted", "OK")
    event.resource_type, event.resource_id = "organization", request.id
    event.data.update(
        {
            "reason": request.reason,
            "user_id": user.id,
            "role": user_pb2.User.Role.Name(user.role),
            "ends_at": user.ended_at.ToJsonString(),
        }
    )
    await tx.record(event)
