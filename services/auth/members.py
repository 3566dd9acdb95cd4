"""Memberships: the last administrator stays, and what ends takes its keys along."""

from datetime import UTC, datetime
from typing import Any

from ashgrove.auth.v1 import user_pb2
from google.protobuf.json_format import MessageToDict
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.engine.writing import change
from framework.errors import IllegalState
from framework.storage import codec_of

SERVICE_ACCOUNTS = "service-accounts.invalid"
_OTHER_ADMINISTRATORS = """
SELECT count(*) AS others FROM users
WHERE role = 'ROLE_ADMIN' AND NOT deactivated AND ended_at IS NULL AND kind = 'KIND_PERSON' AND id <> %(id)s
"""
_KEYS = "SELECT * FROM api_keys WHERE user_id = %(id)s AND revoked_at IS NULL ORDER BY id FOR UPDATE"
_END_GRANTS = "UPDATE grants SET ended_at = now() WHERE user_id = %(id)s AND ended_at IS NULL"


def rules(user: user_pb2.User) -> bool:
    """Tells whether a member is one of the administrators of whom one must stay."""
    return user.role == user_pb2.User.ROLE_ADMIN and not user.deactivated and user.kind == user_pb2.User.KIND_PERSON


async def refuse_to_lose_the_last(call: Call, identifier: str) -> None:
    """Raises IllegalState when nobody else is an active administrator of the organization."""
    async with call.transaction() as tx:
        # Two administrators who demote each other wait here: the second one's count sees the first one's commit.
        organization = str(call.context.organization_id)
        await tx.fetch("SELECT pg_advisory_xact_lock(hashtextextended(%(o)s, 0))", {"o": organization})
        row = await tx.fetch_one(_OTHER_ADMINISTRATORS, {"id": identifier})
    if row is None or row["others"] == 0:
        raise IllegalState(
            "this is the organization's last active administrator; legal: make another administrator first",
            user_id=identifier,
        )


async def ended(call: Call, row: dict[str, Any]) -> user_pb2.User:
    """Ends a membership whose row is locked: an invitation brings it back, and never its keys and grants."""
    registry, now = call.engine.registry, datetime.now(UTC)
    users, api_keys = (registry.by_message(f"ashgrove.auth.v1.{noun}") for noun in ("User", "ApiKey"))
    row.pop("allowed_", None)
    if rules(codec_of(users).message(row)):
        await refuse_to_lose_the_last(call, str(row["id"]))
    async with call.transaction() as tx:
        for key in await tx.fetch(_KEYS, {"id": row["id"]}):
            await change(tx, api_keys, call.context, key, {"revoked_at": now}, "")
        await tx.execute(_END_GRANTS, {"id": row["id"]})
        gone: user_pb2.User = await change(tx, users, call.context, row, {"ended_at": now, "deactivated": True}, "")
    return gone


def as_column(preferences: user_pb2.UserPreferences) -> Jsonb:
    """Returns preferences as their column holds them."""
    return Jsonb(MessageToDict(preferences, preserving_proto_field_name=True))
