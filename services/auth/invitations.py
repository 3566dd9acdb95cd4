"""Invitations as a resource: administrators make them, one person may accept each."""

from datetime import UTC, datetime, timedelta

from ashgrove.auth.v1 import invitation_pb2, user_pb2
from ashgrove.auth.v1.invitation_requests_pb2 import (
    CreateInvitationRequest,
    CreateInvitationResponse,
    RevokeInvitationRequest,
)

from framework.call import Role
from framework.engine import Call
from framework.engine.messages import refuse_if
from framework.errors import AlreadyExists, FieldViolation, IllegalState
from framework.policy import anyone, field_policy, forbid, has_role, is_guest, policy
from framework.resource import Resource, Storage, action
from services.auth import keys
from services.auth.names import SHAPE
from services.auth.revoking import revoked

DEFAULT_DAYS, MOST_DAYS = 7, 30
# Somebody who signs in already, somebody else whose address looks the same, or what is no person.
_TAKEN = """
SELECT 1 FROM users u JOIN invitations i ON i.id = %(id)s AND i.email_shape = u.email_shape
WHERE u.email_key <> lower(i.email) OR u.kind <> 'KIND_PERSON' OR (u.person_id IS NOT NULL AND u.ended_at IS NULL)
"""


class Invitation(Resource[invitation_pb2.Invitation]):
    """How people come into an organization: by a token that was made for them."""

    storage = Storage(
        hidden={
            "token_hash": "bytea NOT NULL",
            "email_shape": f"text NOT NULL GENERATED ALWAYS AS ({SHAPE}) STORED",
        },
        references={"user_id": "users"},
        indexes=[("user_id",)],
    )
    policies = [
        forbid(is_guest, "CreateInvitation", "Create", "RevokeInvitation"),
        policy("Get", "List", "CreateInvitation", "Create", "RevokeInvitation", allow=has_role(Role.ADMIN)),
        policy("AcceptInvitation", allow=anyone),
    ]
    # Kept out of events, which others than administrators may read.
    field_policies = [field_policy("email", allow=has_role(Role.ADMIN))]

    async def prepare(self, call: Call, new: invitation_pb2.Invitation, old: invitation_pb2.Invitation | None) -> None:
        """Reads what is left out: the role as ROLE_USER, the end as a week from now; bounds the end."""
        now = datetime.now(UTC)
        new.role = new.role or user_pb2.User.ROLE_USER
        if not new.HasField("expires_at"):
            new.expires_at.FromDatetime(now + timedelta(days=DEFAULT_DAYS))
        ends = new.expires_at.ToDatetime(UTC)
        if not now < ends <= now + timedelta(days=MOST_DAYS):
            refuse_if([FieldViolation("invitation.expires_at", f"must lie ahead, by {MOST_DAYS} days at most")])


@action(Invitation, "CreateInvitation")
async def create_invitation(call: Call, request: CreateInvitationRequest) -> CreateInvitationResponse:
    """Creates an invitation and shows its token this once."""
    token = keys.new_key(keys.INVITATION)
    hidden = {"token_hash": keys.digest(token, call.application.pepper), "created_by": call.actor.id}
    async with call.transaction() as tx:
        made = await call.create(Invitation, request.invitation, hidden=hidden, prefix="invitation.")
        if await tx.fetch_one(_TAKEN, {"id": made.id}):
            told = "a member who signs in, or whose address looks the same, has it; choose another"
            raise AlreadyExists(told, resource="user", fields="email")
    return CreateInvitationResponse(invitation=made, token="" if call.rehearsing else token)


@action(Invitation, "RevokeInvitation")
async def revoke_invitation(call: Call, request: RevokeInvitationRequest) -> invitation_pb2.Invitation:
    """Revokes an invitation; one that is revoked stays as it is."""
    async with call.transaction():
        row = await call.row(Invitation, request.id, "RevokeInvitation", lock=True)
        if row["accepted_at"] is not None:
            raise IllegalState("it was accepted; legal: EndMembership of the member", user_id=str(row["user_id"]))
        invitation: invitation_pb2.Invitation = await revoked(call, Invitation, row, "RevokeInvitation")
        return invitation
