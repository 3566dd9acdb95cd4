"""Accepting an invitation: a token becomes a membership, for whoever was invited and proves to be that person."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.authentication_requests_pb2 import SignInResponse
from ashgrove.auth.v1.invitation_requests_pb2 import AcceptInvitationRequest

from framework.call import Actor, ActorKind, Context, Role
from framework.engine import Call
from framework.engine.creating import insert
from framework.engine.writing import change
from framework.errors import Unauthenticated
from framework.identifiers import new_id
from framework.resource import action
from framework.storage import Transaction
from services.auth import keys, passwords, people
from services.auth.credentials import role_of
from services.auth.invitations import Invitation
from services.auth.names import plain_name
from services.auth.password_sign_in import tokens_for
from services.auth.people import Membership
from services.auth.refusals import WRONG_INVITATION, count

_FIND = """
SELECT i.*, lower(i.email) = lower(%(email)s) AND i.accepted_at IS NULL AND i.revoked_at IS NULL
            AND i.expires_at > now() AND o.suspended_at IS NULL AS holds, o.name AS organization_name
FROM invitations i JOIN organizations o ON o.id = i.organization_id
WHERE i.token_hash = %(hash)s FOR UPDATE OF i
"""
_MEMBER = """
SELECT * FROM users
WHERE organization_id = %(organization)s AND (person_id = %(person)s OR email_key = lower(%(email)s))
    AND kind = 'KIND_PERSON' FOR UPDATE
"""


@action(Invitation, "AcceptInvitation")
async def accept(call: Call, request: AcceptInvitationRequest) -> SignInResponse:
    """Makes the invited person a member, and signs them in.

    A token that is unknown, used, expired, revoked or somebody else's, and a password that is wrong, run the same
    statements and hashes and raise the same Unauthenticated.
    """
    name = plain_name(request.name, "name")
    async with call.database.system() as tx:
        person = await people.find(tx, request.email)
    proved = await people.proven(person, request.password)
    stored = await passwords.hashed(request.password)
    presented = keys.digest(request.token, call.application.pepper)
    async with call.database.system() as tx:
        proved = await people.note(tx, person, proved=proved)
        row = await tx.fetch_one(_FIND, {"hash": presented, "email": request.email})
        holds = row is not None and row.pop("holds") and (proved or person is None)
        if row is not None and holds:
            known = person.id if person else await people.add(tx, row["email"], stored)
            if known is not None:
                return await tokens_for(tx, call, await _joined(tx, call, row, known, name))
        await count(tx, call.context.address, WRONG_INVITATION, None)
    raise Unauthenticated  # after the commit: that it was tried must stay known


async def _joined(tx: Transaction, call: Call, row: dict[str, Any], person: UUID, name: str) -> Membership:
    """Makes, or brings back, the member, and notes who accepted."""
    organization, title = row["organization_id"], row.pop("organization_name")
    member = await tx.fetch_one(_MEMBER, {"organization": organization, "person": person, "email": row["email"]})
    identifier = member["id"] if member else UUID(str(new_id()))
    context = _as_member(call.context, row, identifier)
    registry = call.engine.registry
    users, invitations = (registry.by_message(f"ashgrove.auth.v1.{noun}") for noun in ("User", "Invitation"))
    role = row["role"]
    if member is None:
        wanted = user_pb2.User(email=row["email"], name=name or row["email"], role=role, kind=user_pb2.User.KIND_PERSON)
        await insert(tx, users, context, wanted, {"person_id": person}, str(identifier))
    else:
        came_back = member["ended_at"] is not None
        role = role if came_back else member["role"]  # an invitation promotes and demotes nobody who is there
        columns = {"ended_at": None, "deactivated": False, "role": role} if came_back else {}
        await change(tx, users, context, member, {"person_id": person, **columns}, "")
    await change(tx, invitations, context, row, {"accepted_at": datetime.now(UTC), "user_id": identifier}, "")
    return Membership(organization, title, identifier, role_of(role), active=True)


def _as_member(context: Context, row: dict[str, Any], identifier: UUID) -> Context:
    """Returns the call as one of the member that is being made, whom the invitation lets do just this."""
    actor = Actor(ActorKind.USER, str(identifier), row["organization_id"], Role.ADMIN, label=row["email"])
    return replace(context, actor=actor)
