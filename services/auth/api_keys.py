"""API keys as a resource: who may have and end them, and what can be had for one."""

from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    RevokeApiKeyRequest,
)

from framework.call import Role
from framework.engine import Call
from framework.engine.messages import refuse_if
from framework.errors import NotPermitted
from framework.policy import anyone, bypass, has_role, is_guest, is_operator, policy, relates_to
from framework.resource import Resource, Storage, action
from services.auth import keys, scopes
from services.auth.founding import key_columns
from services.auth.revoking import revoked


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


@action(ApiKey, "CreateApiKey")
async def create_api_key(call: Call, request: CreateApiKeyRequest) -> CreateApiKeyResponse:
    """Creates a key, for the caller unless a user is named, and shows its secret this once."""
    wanted, secret = request.api_key, keys.new_key()
    wanted.user_id = wanted.user_id or call.actor.id
    hidden = key_columns(secret, call.application.pepper, call.actor)
    made = await call.create(ApiKey, wanted, hidden=hidden, prefix="api_key.")
    return CreateApiKeyResponse(api_key=made, secret="" if call.rehearsing else secret)


@action(ApiKey, "RevokeApiKey")
async def revoke_api_key(call: Call, request: RevokeApiKeyRequest) -> api_key_pb2.ApiKey:
    """Revokes a key; one that is revoked stays as it is."""
    async with call.transaction():
        row = await call.row(ApiKey, request.id, "RevokeApiKey", lock=True)
        key: api_key_pb2.ApiKey = await revoked(call, ApiKey, row, "RevokeApiKey")
        return key
