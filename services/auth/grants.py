"""Grants: a user lets one run act for them; each use looks again whether that still holds."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import auth_internal_service_pb2 as pb

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.writing import event_of
from framework.errors import FieldViolation, GrantLost, InvalidFields, NotFound, NotPermitted, Unauthenticated
from framework.identifiers import new_id
from framework.storage import Database, Transaction
from services.auth.credentials import role_of
from services.auth.secrets import SERVICES
from services.auth.tokens import Token, Tokens

_INSERT = """
INSERT INTO grants (organization_id, id, user_id, run_id, service, actions, resources)
VALUES (%(organization)s, %(id)s, %(user)s, %(run)s, %(service)s, %(actions)s, %(resources)s)
"""
_SELECT = """
SELECT g.*, u.role, u.deactivated, u.email, u.ended_at AS membership_ends_at, u.ended_at <= now() AS membership_ended,
       o.suspended_at
FROM grants g
JOIN users u ON u.organization_id = g.organization_id AND u.id = g.user_id
JOIN organizations o ON o.id = g.organization_id
WHERE g.id = %(id)s
"""
_OPEN = """
SELECT id, organization_id, run_id, extract(epoch FROM clock_timestamp() - created_at)::float8 AS age FROM grants
WHERE service = %(service)s AND ended_at IS NULL AND id > %(after)s ORDER BY id LIMIT %(page)s
"""
_FIRST = UUID(int=0)
OPEN_PAGE = 1000


class Grants:
    """Creates, exchanges, ends and lists grants."""

    def __init__(self, database: Database, tokens: Tokens) -> None:
        self._database = database
        self._tokens = tokens

    async def create(self, context: Context, request: pb.CreateGrantRequest) -> UUID:
        """Records what the caller, a user who may write, grants; returns the grant's id."""
        actor = _granter(context)
        if request.service not in SERVICES:
            raise InvalidFields(FieldViolation("service", f"must be one of {', '.join(SERVICES)}"))
        row = {
            "organization": actor.organization_id,
            "id": new_id(),
            "user": actor.user_id,
            "run": request.run_id,
            "service": request.service,
            "actions": list(request.actions),
            "resources": list(request.resources),
        }
        async with self._database.tenant(actor.organization_id, context.remaining()) as tx:
            await tx.execute(_INSERT, row)
            await _tell(tx, context, "created", row["id"], actor.organization_id)
        return UUID(str(row["id"]))

    async def exchange(self, context: Context, grant_id: str) -> Token:
        """Returns a short identity token: the user, with the calling service as delegate, bound to what was granted.

        Raises GrantLost with its cause once the user, the role or the grant no longer holds.
        """
        if context.actor.kind is not ActorKind.SERVICE:
            raise _refusal(context, "only the platform's services exchange grants")
        async with self._database.system() as tx:
            row = await tx.fetch_one(_SELECT, {"id": UUID(grant_id)})
            cause = _cause_of_loss(row, context.actor.id)
            if cause and row is not None:
                await _tell(tx, context, "lost", row["id"], row["organization_id"], "PERMISSION_DENIED")
        if cause or row is None:
            raise GrantLost(f"the grant no longer holds: {cause}", cause=cause)
        actor = _delegated(row)
        return self._tokens.issue_identity(actor, until=None if math.isinf(actor.ends_at) else actor.ends_at)

    async def end(self, context: Context, grant_id: str) -> None:
        """Ends a grant, twice is no error; for its service, its user and the organization's administrators."""
        if context.actor.kind is ActorKind.ANONYMOUS:
            raise Unauthenticated
        async with self._database.system() as tx:
            row = await tx.fetch_one(_SELECT + " FOR UPDATE OF g", {"id": UUID(grant_id)})
            if row is None or not _may_end(context.actor, row):
                raise NotFound("grant", grant_id)
            if row["ended_at"] is None:
                await tx.execute("UPDATE grants SET ended_at = now() WHERE id = %(id)s", {"id": row["id"]})
                await _tell(tx, context, "ended", row["id"], row["organization_id"])

    async def open(self, context: Context, after: str) -> list[pb.OpenGrant]:
        """Returns a page of the calling service's grants that have not ended, in the order of their ids."""
        if context.actor.kind is not ActorKind.SERVICE:
            raise _refusal(context, "only the platform's services list grants")
        told = {"service": context.actor.id, "after": UUID(after) if after else _FIRST, "page": OPEN_PAGE}
        async with self._database.system() as tx:
            rows = await tx.fetch(_OPEN, told)
        return [_opened(row) for row in rows]


def _opened(row: Mapping[str, Any]) -> pb.OpenGrant:
    ids = {"grant_id": str(row["id"]), "organization_id": str(row["organization_id"]), "run_id": str(row["run_id"])}
    return pb.OpenGrant(age_seconds=row["age"], **ids)


def _granter(context: Context) -> Actor:
    actor = context.actor
    # A delegate must not grant on: what was lent cannot be lent further.
    free = actor.kind is ActorKind.USER and not actor.delegate
    if not free or actor.role not in {Role.ADMIN, Role.USER}:
        raise _refusal(context, "only users who may write can let a run act for them")
    return actor


def _refusal(context: Context, message: str) -> Exception:
    if context.actor.kind is ActorKind.ANONYMOUS:
        return Unauthenticated()
    return NotPermitted(message, action=context.action)


def _cause_of_loss(row: Mapping[str, Any] | None, service: str) -> str:
    """Returns why a grant does not hold, empty when it does."""
    if row is None:
        return "no such grant"
    causes = {
        "granted to another service": row["service"] != service,
        "organization suspended": row["suspended_at"] is not None,
        "membership ended": bool(row["membership_ended"]),
        "user inactive": row["deactivated"],
        "role lowered": role_of(row["role"]) is Role.VIEWER,
        "grant ended": row["ended_at"] is not None,
    }
    return next((cause for cause, holds in causes.items() if holds), "")


def _delegated(row: Mapping[str, Any]) -> Actor:
    return Actor(
        ActorKind.USER,
        str(row["user_id"]),
        row["organization_id"],
        role_of(row["role"]),
        credential_id=str(row["id"]),
        delegate=row["service"],
        actions=frozenset(row["actions"]),
        label=row["email"],
        ends_at=row["membership_ends_at"].timestamp() if row["membership_ends_at"] else math.inf,
    )


def _may_end(actor: Actor, row: Mapping[str, Any]) -> bool:
    if actor.kind is ActorKind.SERVICE:
        return bool(actor.id == row["service"])
    same = actor.organization_id == row["organization_id"]
    return same and (actor.role is Role.ADMIN or actor.user_id == row["user_id"])


async def _tell(
    tx: Transaction, context: Context, what: str, grant: object, organization: UUID | None, outcome: str = "OK"
) -> None:
    inside = replace(context, actor=replace(context.actor, organization_id=organization))
    event = event_of(inside, f"grant.{what}", outcome)
    event.resource_type, event.resource_id = "grant", str(grant)
    await tx.record(event)
