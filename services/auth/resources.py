"""Organizations, users and API keys: who may see and change whom, and how people sign in."""

from datetime import UTC, datetime
from typing import Any

from ashgrove.auth.v1 import api_key_pb2, organization_pb2, user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
    RotateApiKeyResponse,
)
from ashgrove.auth.v1.auth_service_pb2 import DESCRIPTOR
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
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest, CreateOrganizationResponse
from google.protobuf.struct_pb2 import Struct

from framework.call import Role
from framework.engine import Call
from framework.engine.messages import refuse_if
from framework.errors import IllegalState, NotPermitted
from framework.policy import (
    anyone,
    bypass,
    field_policy,
    has_role,
    is_operator,
    is_own_organization,
    itself,
    policy,
    relates_to,
    signed_in,
)
from framework.resource import Registry, Resource, Storage, Tenancy, action
from services.auth import keys, scopes
from services.auth.founding import found_organization, key_columns
from services.auth.rotating import rotated
from services.auth.sessions import end
from services.auth.signing_in import refreshed, sign_in

ACTIVE_ADMINS = "SELECT count(*) AS others FROM users WHERE role = 'ROLE_ADMIN' AND NOT deactivated AND id <> %(id)s"


class Organization(Resource[organization_pb2.Organization]):
    """The walls between tenants; a table of the platform, since an organization's id is its rows' tenant key."""

    storage = Storage(
        unique=[("name_key",)],
        hidden={"name_key": "text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED"},
        tenancy=Tenancy.GLOBAL,
    )
    # No bypass for administrators: they rule inside one organization, and this table holds them all.
    policies = [
        policy("Get", "List", allow=is_own_organization | is_operator),
        policy("CreateOrganization", "Create", allow=is_operator),
    ]

    @action("CreateOrganization")
    async def create_organization(self, call: Call, request: CreateOrganizationRequest) -> CreateOrganizationResponse:
        """Creates an organization, its first administrator and that administrator's key."""
        async with call.database.system() as tx:
            return await found_organization(tx, call.context, call.engine.registry, call.application.pepper, request)


class User(Resource[user_pb2.User]):
    """Members; everyone reads their colleagues, administrators write."""

    storage = Storage(
        unique=[("email_key",)],
        hidden={
            "email_key": "text NOT NULL GENERATED ALWAYS AS (lower(email)) STORED",
            "operator": "boolean NOT NULL DEFAULT false",
        },
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=signed_in),
        policy("Create", "Update", allow=has_role(Role.ADMIN)),
    ]
    # Colleagues are known by name; where mail reaches them is their own and the administrators' affair. Who has not
    # signed in is told of one user only, by signing in.
    field_policies = [field_policy("email", allow=has_role(Role.ADMIN) | itself | ~signed_in)]

    async def prepare(self, call: Call, new: user_pb2.User, old: user_pb2.User | None) -> None:
        """Reads an unspecified role as ROLE_USER; refuses to lose the last active administrator."""
        new.role = new.role or user_pb2.User.ROLE_USER
        if old is not None and _rules(old) and not _rules(new):
            await _refuse_to_lose_the_last(call, old.id)


def _rules(user: user_pb2.User) -> bool:
    return user.role == user_pb2.User.ROLE_ADMIN and not user.deactivated


async def _refuse_to_lose_the_last(call: Call, identifier: str) -> None:
    async with call.transaction() as tx:
        # Two administrators who demote each other wait here: the second one's count sees the first one's commit.
        organization = str(call.context.organization_id)
        await tx.fetch("SELECT pg_advisory_xact_lock(hashtextextended(%(o)s, 0))", {"o": organization})
        row = await tx.fetch_one(ACTIVE_ADMINS, {"id": identifier})
    if row is None or row["others"] == 0:
        raise IllegalState(
            "this is the organization's last active administrator; legal: make another administrator first",
            user_id=identifier,
        )


class ApiKey(Resource[api_key_pb2.ApiKey]):
    """Keys: many per user, each shown once, expiring, revocable; and what can be had for one."""

    storage = Storage(
        hidden={"key_hash": "bytea NOT NULL"}, references={"user_id": "users"}, indexes=[("user_id", "created_at")]
    )
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=relates_to("user_id")),
        policy(
            "CreateApiKey", "Create", "RevokeApiKey", "RotateApiKey", allow=has_role(Role.USER) & relates_to("user_id")
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
        return CreateApiKeyResponse(api_key=made, secret=secret)

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


RESOURCES: list[type[Resource[Any]]] = [Organization, User, ApiKey]


def registry() -> Registry:
    """Returns the verified declarations of the auth service."""
    return Registry("auth", RESOURCES, DESCRIPTOR.services_by_name["AuthService"])
