"""The auth service without its wires: an engine on a real database, and one new organization."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from ashgrove.auth.v1 import auth_internal_service_pb2 as internal_pb2
from ashgrove.auth.v1 import organization_pb2, user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import CreateApiKeyRequest, CreateApiKeyResponse
from ashgrove.auth.v1.authentication_requests_pb2 import AuthenticateRequest, AuthenticateResponse
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest, CreateOrganizationResponse
from ashgrove.auth.v1.user_requests_pb2 import CreateUserRequest, UpdateUserRequest
from ashgrove.event.v1.event_pb2 import Event
from google.protobuf.json_format import ParseDict
from psycopg.conninfo import conninfo_to_dict

from framework.call import ANONYMOUS, Actor, ActorKind, Context, Role
from framework.engine import Engine
from framework.events.hints import Hints
from framework.identifiers import new_id
from framework.query import Seal
from framework.storage import Database
from framework.storage.migrate import migrate
from framework.testing.workbench import PASSWORD
from services.auth.application import AuthApplication
from services.auth.grants import Grants
from services.auth.registry import registry
from services.auth.secrets import PEPPER, read_secret
from services.auth.tokens import read_tokens

MIGRATIONS = Path(__file__).parents[3] / "services" / "auth" / "migrations"
OPERATOR = Actor(ActorKind.SERVICE, "auth", role=Role.ADMIN, operator=True)


def migrated(admin_url: str) -> str:
    """Applies auth's migrations and returns the URL without its user."""
    migrate(admin_url, "auth", PASSWORD, MIGRATIONS)
    parts = conninfo_to_dict(admin_url)
    return f"postgresql://{parts['host']}:{parts['port']}/{parts['dbname']}"


def context(actor: Actor, action: str = "Test") -> Context:
    """Returns a call of this actor with half a minute left."""
    return Context(actor, action, str(new_id()), time.monotonic() + 100)


class House:
    """Engine, grants and one organization with its administrator and the administrator's key."""

    administrator: user_pb2.User
    organization_id: UUID
    secret: str
    api_key_id: str

    def __init__(self, url: str, secrets: Path) -> None:
        self.database = Database(url, PASSWORD, "auth", size=4)
        self.tokens = read_tokens(secrets, access_seconds=900, identity_seconds=60)
        self.application = AuthApplication(self.tokens, read_secret(secrets / PEPPER))
        self.registry = registry()
        self.hints = Hints("redis://127.0.0.1:1")
        self.engine = Engine(self.registry, self.database, self.hints, Seal(bytes(32)), self.application)
        self.grants = Grants(self.database, self.tokens)

    async def __aenter__(self) -> Self:
        await self.database.open()
        founded = await self.found()
        self.organization_id = UUID(founded.organization.id)
        self.administrator, self.secret, self.api_key_id = founded.administrator, founded.secret, founded.api_key.id
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.hints.close()
        await self.database.close()

    async def found(self, name: str = "") -> CreateOrganizationResponse:
        """Founds an organization of a new name."""
        organization = organization_pb2.Organization(name=name or f"organization {new_id()}")
        response: CreateOrganizationResponse = await self.call(
            OPERATOR, "CreateOrganization", self.founding(organization)
        )
        return response

    def founding(self, organization: organization_pb2.Organization) -> CreateOrganizationRequest:
        """Returns what founds an organization."""
        return CreateOrganizationRequest(organization=organization, admin_email="first@example.org")

    async def call(self, actor: Actor, rpc: str, request: Any) -> Any:
        """Does an RPC as an actor."""
        method = self.registry.methods[f"/ashgrove.auth.v1.AuthService/{rpc}"]
        return await self.engine.unary(method, context(actor, rpc), request)

    def actor(self, user: user_pb2.User) -> Actor:
        """Returns a user of the house as identity tokens would state them."""
        role = Role(user_pb2.User.Role.Name(user.role).removeprefix("ROLE_").lower())
        return Actor(ActorKind.USER, user.id, self.organization_id, role)

    @property
    def admin(self) -> Actor:
        """The administrator."""
        return self.actor(self.administrator)

    async def user(self, role: int = user_pb2.User.ROLE_USER) -> user_pb2.User:
        """Creates a user."""
        new = user_pb2.User(email=f"{new_id()}@example.org", role=role)  # type: ignore[arg-type]
        user: user_pb2.User = await self.call(self.admin, "CreateUser", CreateUserRequest(user=new))
        return user

    async def change(self, user: user_pb2.User, **fields: Any) -> user_pb2.User:
        """Changes a user as the administrator."""
        request = UpdateUserRequest(user=user_pb2.User(id=user.id, **fields))
        request.update_mask.paths.extend(fields)
        changed: user_pb2.User = await self.call(self.admin, "UpdateUser", request)
        return changed

    async def key(self, actor: Actor, **fields: Any) -> CreateApiKeyResponse:
        """Creates a key as an actor."""
        request = CreateApiKeyRequest()
        request.api_key.name = "a key"
        for name, value in fields.items():
            if name == "expires_at":
                request.api_key.expires_at.FromSeconds(value)
            elif isinstance(value, list):
                getattr(request.api_key, name).extend(value)
            else:
                setattr(request.api_key, name, value)
        made: CreateApiKeyResponse = await self.call(actor, "CreateApiKey", request)
        return made

    async def authenticate(self, key: str, address: str = "") -> AuthenticateResponse:
        """Trades a key as anybody, from an IP address."""
        method = self.registry.methods["/ashgrove.auth.v1.AuthService/Authenticate"]
        here = replace(context(ANONYMOUS, "Authenticate"), address=address)
        response: Any = await self.engine.unary(method, here, AuthenticateRequest(api_key=key))
        return response  # type: ignore[no-any-return]

    async def grant(self, actor: Actor) -> str:
        """Lets a run of the optimizer act for an actor."""
        request = internal_pb2.CreateGrantRequest(
            run_id=str(new_id()), service="optimizer", actions=["EvaluateProgram"], resources=["program/1@1"]
        )
        return str(await self.grants.create(context(actor, "CreateGrant"), request))

    async def told(self) -> list[Event]:
        """Returns the same events as messages."""
        return [ParseDict(event, Event(), ignore_unknown_fields=True) for event in await self.events()]

    async def events(self) -> list[dict[str, Any]]:
        """Returns the outbox's events of the house's organization, oldest first."""
        async with self.database.system() as tx:
            rows = await tx.fetch(
                "SELECT event FROM outbox WHERE organization_id = %(o)s ORDER BY position", {"o": self.organization_id}
            )
        return [row["event"] for row in rows]
