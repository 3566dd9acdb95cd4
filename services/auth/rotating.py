"""Rotation: a key's successor, and a time in which both work."""

from datetime import timedelta
from typing import Any

from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import RotateApiKeyRequest, RotateApiKeyResponse

from framework.engine import Call
from framework.errors import IllegalState
from framework.resource import action
from services.auth import keys
from services.auth.api_keys import ApiKey
from services.auth.founding import key_columns

DEFAULT_OVERLAP = 86_400
_VERB = "RotateApiKey"


@action(ApiKey, _VERB)
async def rotate(call: Call, request: RotateApiKeyRequest) -> RotateApiKeyResponse:
    """Makes a key like the one named, for as long a life, and lets that one end after the overlap.

    Raises IllegalState when it was revoked or has ended.
    """
    overlap = request.overlap_seconds if request.HasField("overlap_seconds") else DEFAULT_OVERLAP
    secret = keys.new_key()
    async with call.transaction() as tx:
        row = await call.row(ApiKey, request.id, _VERB, lock=True)
        now = (await tx.fetch("SELECT now() AS now"))[0]["now"]
        if row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now):
            raise IllegalState("this key has ended; legal: CreateApiKey", action=_VERB)
        successor = _successor(row, now)
        made = await call.create(ApiKey, successor, hidden=key_columns(secret, call.application.pepper, call.actor))
        ends = min(now + timedelta(seconds=overlap), row["expires_at"] or now + timedelta(days=36_500))
        replaced = await call.update(ApiKey, request.id, {"expires_at": ends}, verb=_VERB)
    shown = "" if call.rehearsing else secret
    return RotateApiKeyResponse(api_key=made, secret=shown, replaced=replaced)


def _successor(row: dict[str, Any], now: Any) -> api_key_pb2.ApiKey:
    made = api_key_pb2.ApiKey(name=row["name"], user_id=str(row["user_id"]))
    made.scopes.extend(row["scopes"] or [])
    made.allowed_addresses.extend(row["allowed_addresses"] or [])
    if row["expires_at"] is not None:
        made.expires_at.FromDatetime(now + (row["expires_at"] - row["created_at"]))
    return made
