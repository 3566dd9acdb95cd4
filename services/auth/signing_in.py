"""Signing in with a key: it becomes an access token, or the one refusal that tells nothing; and how that goes on."""

import time
from typing import Any

from ashgrove.auth.v1.authentication_requests_pb2 import (
    AuthenticateRequest,
    AuthenticateResponse,
    EndSessionRequest,
    EndSessionResponse,
    GetJwksRequest,
    GetJwksResponse,
    RefreshAccessTokenRequest,
    RefreshAccessTokenResponse,
)
from google.protobuf.struct_pb2 import Struct

from framework.call import Context
from framework.engine import Call
from framework.engine.writing import event_of
from framework.errors import Unauthenticated
from framework.resource import action
from framework.storage import Transaction, codec_of
from services.auth import keys
from services.auth.api_keys import ApiKey
from services.auth.credentials import CREDENTIAL_QUERY, Credential, credential_of
from services.auth.refusals import WRONG_KEY, count
from services.auth.sessions import SignedIn, begin, end, go_on


@action(ApiKey, "Authenticate")
async def authenticate(call: Call, request: AuthenticateRequest) -> AuthenticateResponse:
    """Returns an access token for a key that holds.

    Unknown, malformed, expired and revoked keys, those of inactive users and those used from elsewhere than they may
    run the same statements and hashes, and raise the same Unauthenticated. Successes are recorded one by one, refusals
    by the minute.
    """
    presented = keys.digest(request.api_key, call.application.pepper)
    async with call.database.system() as tx:
        row = await tx.fetch_one(CREDENTIAL_QUERY + " WHERE key_hash = %(hash)s", {"hash": presented})
        credential = credential_of(row) if row else None
        matching = keys.matches(credential.key_hash if credential else None, presented)
        holds = matching and credential is not None and credential.holds(time.time())
        holds = holds and credential is not None and credential.admits(call.context.address)
        if credential is None or not holds:
            await count(tx, call.context.address, WRONG_KEY, credential)
            begun = user = None
        else:
            await _tell(tx, call.context, credential)
            call.application.sign_ins.note(credential)
            user, begun = await _user(tx, call, credential), await begin(tx, call.application, credential)
    if begun is None:  # after the commit: that it was tried must stay known
        raise Unauthenticated
    response = AuthenticateResponse(user=user)
    fill(response, begun)
    return response


@action(ApiKey, "RefreshAccessToken")
async def refresh(call: Call, request: RefreshAccessTokenRequest) -> RefreshAccessTokenResponse:
    """Returns the next tokens of a session; raises Unauthenticated when the token does not hold."""
    async with call.database.system() as tx:
        following = await go_on(tx, call.application, call.context, request.refresh_token)
    if following is None:  # after the commit: that a token was used twice must stay known
        raise Unauthenticated
    response = RefreshAccessTokenResponse()
    fill(response, following)
    return response


@action(ApiKey, "EndSession")
async def end_session(call: Call, request: EndSessionRequest) -> EndSessionResponse:
    """Ends a session."""
    async with call.database.system() as tx:
        await end(tx, call.application, call.context, request.refresh_token)
    return EndSessionResponse()


@action(ApiKey, "GetJwks")
async def get_jwks(call: Call, request: GetJwksRequest) -> GetJwksResponse:
    """Returns the public keys that tokens are signed with."""
    response = GetJwksResponse()
    for key in call.application.tokens.jwks():
        struct = Struct()
        struct.update(key)
        response.keys.append(struct)
    return response


def fill(response: Any, signed_in: SignedIn) -> None:
    """Puts the tokens into an answer."""
    response.access_token, response.refresh_token = signed_in.access.text, signed_in.refresh_token
    response.expires_at.FromSeconds(signed_in.access.expires_at)
    response.refresh_expires_at.FromDatetime(signed_in.refresh_expires_at)


async def _tell(tx: Transaction, context: Context, credential: Credential) -> None:
    event = event_of(context, "api_key.authenticated", "OK")
    event.resource_type = "api_key"
    event.resource_id = event.actor.credential_id = str(credential.api_key_id)
    event.organization_id = str(credential.organization_id)
    await tx.record(event)


async def _user(tx: Transaction, call: Call, credential: Credential) -> Any:
    row = await tx.fetch_one(
        "SELECT * FROM users WHERE organization_id = %(organization)s AND id = %(id)s",
        {"organization": credential.organization_id, "id": credential.user_id},
    )
    assert row is not None, "keys refer to users"
    return codec_of(call.engine.registry.by_message("ashgrove.auth.v1.User")).message(row)
