"""Signing in with a password: a person, an organization of theirs, and the one refusal that tells nothing."""

from ashgrove.auth.v1.authentication_requests_pb2 import (
    ChangePasswordRequest,
    ChangePasswordResponse,
    SignInRequest,
    SignInResponse,
)

from framework.engine import Call
from framework.engine.writing import event_of
from framework.errors import FieldViolation, InvalidFields, Unauthenticated
from framework.resource import action
from framework.storage import Transaction, codec_of
from services.auth import passwords, people
from services.auth.credentials import CREDENTIAL_QUERY, Credential, credential_of
from services.auth.founding import inside
from services.auth.people import Membership, Person
from services.auth.refusals import WRONG_PASSWORD, count
from services.auth.sessions import begin
from services.auth.signing_in import fill
from services.auth.users import User

_USER = "SELECT * FROM users WHERE organization_id = %(organization)s AND id = %(id)s"


@action(User, "SignIn")
async def sign_in(call: Call, request: SignInRequest) -> SignInResponse:
    """Returns tokens for a person who proves to be one.

    Unknown, wrong, barred and inactive run the same statements and hashes, and raise the same Unauthenticated. Who is a
    member of several organizations and names none is told which; InvalidFields.
    """
    _, belongings = await _proven(call, request.email, request.password)
    chosen = _chosen(belongings, request.organization_id)
    async with call.database.system() as tx:
        return await tokens_for(tx, call, chosen)


@action(User, "ChangePassword")
async def change_password(call: Call, request: ChangePasswordRequest) -> ChangePasswordResponse:
    """Puts a new password in the place of one that is proven, and ends the person's sessions."""
    person, belongings = await _proven(call, request.email, request.password, changing=True)
    stored = await passwords.hashed(request.new_password)
    async with call.database.system() as tx:
        await people.set_password(tx, person.id, stored)
        for one in belongings:
            event = event_of(inside(call.context, one.organization_id), "user.password_changed", "OK")
            event.resource_type = "user"
            event.resource_id = event.actor.id = str(one.user_id)
            event.actor.kind = event.actor.KIND_USER
            await tx.record(event)
    return ChangePasswordResponse()


async def tokens_for(tx: Transaction, call: Call, membership: Membership) -> SignInResponse:
    """Begins a session of a membership that works, and tells of it."""
    row = await tx.fetch_one(CREDENTIAL_QUERY + " WHERE api_key_id = %(id)s", {"id": membership.user_id})
    user = await tx.fetch_one(_USER, {"organization": membership.organization_id, "id": membership.user_id})
    assert row is not None and user is not None, "memberships are credentials"
    credential = credential_of(row)
    begun = await begin(tx, call.application, credential)
    await _tell(tx, call, credential)
    call.application.sign_ins.note(credential)
    spec = call.engine.registry.by_message("ashgrove.auth.v1.User")
    response = SignInResponse(user=codec_of(spec).message(user), organization_id=str(membership.organization_id))
    fill(response, begun)
    return response


async def _proven(call: Call, email: str, password: str, *, changing: bool = False) -> tuple[Person, list[Membership]]:
    """Returns whose password it is and where they belong; only who changes a password need not belong anywhere."""
    async with call.database.system() as tx:
        person = await people.find(tx, email)
    proved = await people.proven(person, password, changing=changing)
    async with call.database.system() as tx:
        proved = await people.note(tx, person, proved=proved)
        belongings = await people.memberships(tx, person.id if person and proved else None)
        welcome = proved and (changing or any(one.active for one in belongings))
        if not welcome:
            await count(tx, call.context.address, WRONG_PASSWORD, None)
    if person is None or not welcome:  # after the commit: that it was tried must stay known
        raise Unauthenticated
    return person, belongings


def _chosen(memberships: list[Membership], organization_id: str) -> Membership:
    """Returns the membership to act as; raises InvalidFields with their names unless it is one."""
    active = [one for one in memberships if one.active]
    named = (
        [one for one in active if str(one.organization_id) == organization_id.lower()] if organization_id else active
    )
    if len(named) == 1:
        return named[0]
    told = ", ".join(f"{one.organization_id} ({one.organization_name})" for one in active)
    why = "you are no active member of it" if organization_id else "you belong to several organizations"
    raise InvalidFields(FieldViolation("organization_id", f"{why}: name one of {told}"))


async def _tell(tx: Transaction, call: Call, credential: Credential) -> None:
    event = event_of(inside(call.context, credential.organization_id), "user.signed_in", "OK")
    event.resource_type = "user"
    event.resource_id = event.actor.id = event.actor.credential_id = str(credential.user_id)
    event.actor.kind, event.actor.label = event.actor.KIND_USER, credential.label
    await tx.record(event)
