"""How an organization begins: with an administrator who holds a key."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import api_key_pb2, user_pb2
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest, CreateOrganizationResponse

from framework.call import Actor, Context, Role
from framework.engine.creating import insert
from framework.identifiers import new_id
from framework.resource import Registry
from framework.storage import Transaction
from services.auth import keys
from services.auth.names import plain_name


async def found_organization(
    tx: Transaction,
    context: Context,
    registry: Registry,
    pepper: bytes,
    request: CreateOrganizationRequest,
    *,
    operator: bool = False,
) -> CreateOrganizationResponse:
    """Creates an organization, its first administrator and a key, in one `system()` transaction.

    The caller must be an operator. `operator` makes the new organization that of the platform's operators: its first
    member runs the platform, and rules over nothing else.
    """
    specs = [registry.by_message(f"ashgrove.auth.v1.{noun}") for noun in ("Organization", "User", "ApiKey")]
    identifier = new_id()
    founder = replace(context, actor=replace(context.actor, organization_id=identifier))
    organization = await insert(tx, specs[0], founder, request.organization, {}, str(identifier))
    within = inside(context, identifier)
    member = user_pb2.User(email=request.admin_email, kind=user_pb2.User.KIND_PERSON)
    member.name = plain_name(request.admin_name or request.admin_email, "admin_name")
    member.role = user_pb2.User.ROLE_VIEWER if operator else user_pb2.User.ROLE_ADMIN
    administrator = await insert(tx, specs[1], within, member, {"operator": operator})
    secret = keys.new_key()
    named = api_key_pb2.ApiKey(name="first key", user_id=administrator.id)
    key = await insert(tx, specs[2], within, named, key_columns(secret, pepper, context.actor))
    return CreateOrganizationResponse(
        organization=organization, administrator=administrator, api_key=key, secret=secret
    )


def inside(context: Context, organization_id: UUID) -> Context:
    """Returns a call of the platform's as one inside an organization: what it writes is there, and told there."""
    actor = replace(context.actor, organization_id=organization_id, role=Role.ADMIN, operator=False)
    return replace(context, actor=actor)


def key_columns(secret: str, pepper: bytes, maker: Actor) -> Mapping[str, Any]:
    """Returns the columns of a key that no client may set."""
    return {"key_hash": keys.digest(secret, pepper), "prefix": keys.shown_prefix(secret), "created_by": maker.id}
