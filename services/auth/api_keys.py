"""API keys as a resource: who may have and end them, and what can be had for one."""

from datetime import UTC, datetime

from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)
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

from framework.call import Role
from framework.engine import Call
from framework.engine.messages import refuse_if
from framework.errors import NotPermitted
from framework.policy import anyone, bypass, has_role, is_guest, is_operator, policy, relates_to
from framework.resource import Resource, Storage, action
from services.auth import keys, scopes
from services.auth.founding import key_columns
from services.auth.rotating import rotated
from services.auth.sessions import end
from services.auth.signing_in import refreshed, sign_in


class ApiKey(Resource[api_key_pb2.ApiKey]):
    """Keys: many per user, each shown once, expiring, revocable; and what can be had for one."""

    storage = Storage(
        hidden={"key_hash": "bytea NOT NULL"}, references={"user_id": "users"}, indexes=[("user_id", "created_at")]
    )
    policies = [
        # The operator, let in for a while, makes keys for nobody else; the own ones do not outlive the membership.
        bypass(has_role(Role.ADMIN) & ~is_guest),
        policy("Get", "List", allow=relates_to("user_id")),
        policy(
            "CreateApiKey",
            "Create",
            "RevokeApiKey",
            "RotateApiKey",
            allow=(has_role(Role.USER) | is_operator | is_guest) & relates_to("user_id"),
        ),
        policy("Authenticate", "RefreshAccessToken", "EndSession", "GetJwks", allow=anyone),
    ]

    async def prepare(self, call: Call, new: api_key_pb2.ApiKey, old: api_key_pb2.ApiKey | None) -> None:
        """Refuses scopes that name nothing, and scopes wider than those of the key that makes the new one."""
        refuse_if(scopes.unknown(new.scopes, "api_key.scopes"))
        if old is None and not scopes.within(new.scopes, call.actor.actions):
            raise NotPermitted("a key with scopes makes no key with wider ones: name scopes within its own")

    @action("CreateApiKey")
    async def create_api_key(self, call: Call, request: CreateApiKeyRequest) -> CreateApiKeyResponse:
        """Creates a key, for the caller unless a user is named, and shows its secret this once."""
        wanted, secret = request.api_key, keys.new_key()
        wanted.user_id = wanted.user_id or call.actor.id
        hidden = key_columns(secret, call.application.pepper, call.actor)
        made = await call.create(ApiKey, wanted, hidden=hidden, prefix="api_key.")
        return CreateApiKeyResponse(api_key=made, secret="" if call.rehearsing else secret)

    @action("RotateApiKey")
    async def rotate_api_key(self, call: Call, request: RotateApiKeyRequest) -> RotateApiKeyResponse:
        """Makes a key like another and lets that one end after an overlap."""
        return await rotated(call, request)

    @action("RevokeApiKey")
    async def revoke_api_key(self, call: Call, request: RevokeApiKeyRequest) -> api_key_pb2.ApiKey:
        """Revokes a key; one that is revoked stays as it is."""
        async with call.transaction():
            row = await call.row(ApiKey, request.id, "RevokeApiKey", lock=True)
            if row["revoked_at"] is not None:
                return await call.get(ApiKey, request.id, verb="RevokeApiKey")
            now = datetime.now(UTC)
            return await call.update(ApiKey, request.id, {"revoked_at": now}, verb="RevokeApiKey")

    @action("Authenticate")
    async def authenticate(self, call: Call, request: AuthenticateRequest) -> AuthenticateResponse:
        """Trades a key for an access token."""
        return await sign_in(call, request.api_key)

    @action("RefreshAccessToken")
    async def refresh(self, call: Call, request: RefreshAccessTokenRequest) -> RefreshAccessTokenResponse:
        """Trades a refresh token for the next tokens."""
        return await refreshed(call, request.refresh_token)

    @action("EndSession")
    async def end_session(self, call: Call, request: EndSessionRequest) -> EndSessionResponse:
        """Ends a session."""
        async with call.database.system() as tx:
            await end(tx, call.application, call.context, request.refresh_token)
        return EndSessionResponse()

    @action("GetJwks")
    async def get_jwks(self, call: Call, request: GetJwksRequest) -> GetJwksResponse:
        """Returns the public keys that tokens are signed with."""
        response = GetJwksResponse()
        for key in call.application.tokens.jwks():
            struct = Struct()
            struct.update(key)
            response.keys.append(struct)
        return response
