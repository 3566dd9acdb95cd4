"""Sessions: signing in once, then trading each refresh token for the next; a token used twice ends its session."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from framework.call import Context
from framework.engine.writing import event_of
from framework.identifiers import new_id
from framework.storage import Transaction
from services.auth.application import AuthApplication
from services.auth.credentials import CREDENTIAL_QUERY, Credential, credential_of
from services.auth.refreshing import RefreshToken, read
from services.auth.tokens import AccessClaims, Token

# An answer can be lost on its way: for so long the token before the last one gets the last one again.
_GRACE_SECONDS = 10

_BEGIN = """
INSERT INTO sessions (organization_id, id, api_key_id, user_id, expires_at)
VALUES (%(organization)s, %(id)s, %(key)s, %(user)s, now() + %(seconds)s * interval '1 second') RETURNING expires_at
"""
_FIND = """
SELECT *, ended_at IS NULL AND now() < expires_at AS open,
       now() - rotated_at < %(grace)s * interval '1 second' AS recent
FROM sessions WHERE id = %(id)s FOR UPDATE
"""
_ROTATE = "UPDATE sessions SET generation = generation + 1, rotated_at = now() WHERE id = %(id)s"
_END = "UPDATE sessions SET ended_at = now() WHERE id = %(id)s AND ended_at IS NULL"
_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class SignedIn:
    """What a holder gets: an access token, and the refresh token that gets the next one."""

    access: Token
    refresh_token: str
    refresh_expires_at: datetime


async def begin(tx: Transaction, application: AuthApplication, credential: Credential) -> SignedIn:
    """Begins a session of a credential that holds: of a key, or of a membership."""
    identifier = new_id()
    key, user = (None, credential.user_id) if credential.key_hash is None else (credential.api_key_id, None)
    values = {"organization": credential.organization_id, "id": identifier, "key": key, "user": user}
    row = await tx.fetch_one(_BEGIN, values | {"seconds": application.session_seconds})
    assert row is not None
    return _signed_in(application, credential, RefreshToken(identifier, 1), row["expires_at"])


async def go_on(tx: Transaction, application: AuthApplication, context: Context, text: str) -> SignedIn | None:
    """Trades a refresh token for the next; None when it does not hold, whatever the reason.

    A token that was traded before ends its session, for two hold it: its owner and a thief.
    """
    token = read(text, application.pepper)
    row, credential = await _found(tx, token)
    holds = credential is not None and credential.holds(time.time()) and credential.admits(context.address)
    if token is None or credential is None or not row["open"] or not holds:
        return None
    if token.generation == row["generation"]:
        await tx.execute(_ROTATE, {"id": token.session_id})
        following = token.generation + 1
    elif token.generation == row["generation"] - 1 and row["recent"]:
        following = row["generation"]
    else:
        await tx.execute(_END, {"id": token.session_id})
        await _tell(tx, context, credential, "reused")
        return None
    return _signed_in(application, credential, RefreshToken(token.session_id, following), row["expires_at"])


async def end(tx: Transaction, application: AuthApplication, context: Context, text: str) -> None:
    """Ends the session of a refresh token of any generation; other texts change nothing."""
    token = read(text, application.pepper)
    _, credential = await _found(tx, token)
    if token is not None and credential is not None and await tx.execute(_END, {"id": token.session_id}):
        await _tell(tx, context, credential, "signed_out")


async def _found(tx: Transaction, token: RefreshToken | None) -> tuple[dict[str, Any], Credential | None]:
    identifier = token.session_id if token else _NOBODY
    row = await tx.fetch_one(_FIND, {"id": identifier, "grace": _GRACE_SECONDS})
    held = (row["api_key_id"] or row["user_id"]) if row else _NOBODY
    found = await tx.fetch_one(CREDENTIAL_QUERY + " WHERE api_key_id = %(id)s", {"id": held})
    return row or {"open": False}, credential_of(found) if found else None


def _signed_in(application: AuthApplication, credential: Credential, token: RefreshToken, ends: datetime) -> SignedIn:
    claims = AccessClaims(
        credential.user_id, credential.organization_id, credential.api_key_id, session_id=token.session_id
    )
    until = min(ends.timestamp(), credential.expires_at or ends.timestamp())
    access = application.tokens.issue_access(claims, until=until)
    return SignedIn(access, token.text(application.pepper), ends)


async def _tell(tx: Transaction, context: Context, credential: Credential, what: str) -> None:
    event = event_of(context, f"session.{what}", "OK" if what == "signed_out" else "UNAUTHENTICATED")
    event.resource_type = "api_key" if credential.key_hash is not None else "user"
    event.resource_id = str(credential.api_key_id)
    event.organization_id = str(credential.organization_id)
    event.actor.credential_id = str(credential.api_key_id)
    await tx.record(event)
