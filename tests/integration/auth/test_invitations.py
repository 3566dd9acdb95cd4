"""Invitations: how somebody who signs in comes into an organization, and one answer to whatever does not hold."""

import asyncio
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.authentication_requests_pb2 import SignInResponse
from ashgrove.auth.v1.invitation_requests_pb2 import GetInvitationRequest, RevokeInvitationRequest
from ashgrove.auth.v1.user_requests_pb2 import EndMembershipRequest, GetUserRequest

from framework.call import Actor
from framework.errors import (
    AlreadyExists,
    Failure,
    IllegalState,
    InvalidFields,
    NotFound,
    NotPermitted,
    Unauthenticated,
)
from framework.testing.counting import counted
from services.auth import keys, passwords
from tests.integration.auth.house import House
from tests.integration.auth.persons import PASSWORD, accept, address, invite, join, sign_in

ADMIN, USER, VIEWER = user_pb2.User.ROLE_ADMIN, user_pb2.User.ROLE_USER, user_pb2.User.ROLE_VIEWER


async def test_an_invitation_makes_a_member_who_signs_in(house: House) -> None:
    """With the role that was offered; in any case of the address; told in the organization's trail."""
    email = address()
    invited = await invite(house, email, role=VIEWER)
    joined = await accept(house, invited.token, email.upper())
    assert (joined.user.email, joined.user.role, joined.user.kind) == (email, VIEWER, user_pb2.User.KIND_PERSON)
    assert joined.organization_id == str(house.organization_id)
    assert (await sign_in(house, email)).user.id == joined.user.id
    told = await house.call(house.admin, "GetInvitation", GetInvitationRequest(id=invited.invitation.id))
    assert told.user_id == joined.user.id and told.HasField("accepted_at")
    types = [event["type"] for event in await house.events()]
    assert types[-5:] == [
        "invitation.created",
        "user.created",
        "invitation.updated",
        "user.signed_in",
        "user.signed_in",
    ]


async def test_x76_x81_whatever_does_not_hold_answers_alike(house: House) -> None:
    """X-76, X-81: guessed, misspelt, used, revoked, expired and somebody else's tokens, and a wrong password."""
    email, other = address(), address()
    await join(house, other)
    used, revoked, expired, theirs = [await invite(house, address()) for _ in range(4)]
    known = await invite(house, other, by=await _elsewhere(house))
    await accept(house, used.token, used.invitation.email)
    await house.call(house.admin, "RevokeInvitation", RevokeInvitationRequest(id=revoked.invitation.id))
    async with house.database.system() as tx:
        await tx.execute("UPDATE invitations SET expires_at = now() WHERE id = %(i)s", {"i": expired.invitation.id})
    tried = [
        (keys.new_key(keys.INVITATION), email, PASSWORD),
        ("nonsense", email, PASSWORD),
        (used.token, used.invitation.email, PASSWORD),
        (revoked.token, revoked.invitation.email, PASSWORD),
        (expired.token, expired.invitation.email, PASSWORD),
        (theirs.token, email, PASSWORD),
        (theirs.token, other, PASSWORD),
        (known.token, other, "another long password"),
        (known.token, other[::-1], PASSWORD),
    ]
    answers = set()
    for token, who, password in tried:
        with pytest.raises(Unauthenticated) as refused:
            await accept(house, token, who, password)
        answers.add(refused.value.status().SerializeToString(deterministic=True))
    assert len(answers) == 1
    with pytest.raises(Unauthenticated):  # nobody became a person by trying
        await sign_in(house, email)
    await accept(house, theirs.token, theirs.invitation.email)


async def test_every_refusal_runs_the_same_statements_and_hashes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no clock tells an invitation that is there from one that is not."""
    member, revoked = address(), await invite(house, address())
    await join(house, member)
    await house.call(house.admin, "RevokeInvitation", RevokeInvitationRequest(id=revoked.invitation.id))
    valid = await invite(house, address())
    hashes, scrypt = [0], passwords._scrypt

    async def hashing(*arguments: Any) -> bytes:
        hashes[0] += 1
        return await scrypt(*arguments)

    monkeypatch.setattr(passwords, "_scrypt", hashing)
    kinds = set()
    for token, email in (("nonsense", address()), (revoked.token, revoked.invitation.email), (valid.token, member)):
        hashes[0] = 0
        with counted(house.database) as queries, pytest.raises(Unauthenticated):
            await accept(house, token, email)
        kinds.add((*queries, hashes[0]))
    assert len(kinds) == 1 and hashes == [2] and len(queries) >= 4


async def test_a_person_who_is_known_joins_with_their_own_password(house: House) -> None:
    """And has one password everywhere; two organizations do not make two people."""
    email = address()
    first = await join(house, email)
    boss = await _elsewhere(house)
    second = await join(house, email, by=boss)
    assert second.organization_id == str(boss.organization_id) != first.organization_id
    assert second.user.id != first.user.id
    async with house.database.system() as tx:
        assert len(await tx.fetch("SELECT 1 FROM people WHERE email = %(e)s", {"e": email})) == 1


async def test_of_many_who_accept_at_once_one_joins(house: House) -> None:
    """A token works once, however many hold it."""
    invited = await invite(house, address())
    tries = [accept(house, invited.token, invited.invitation.email) for _ in range(3)]
    answers = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["SignInResponse", "Unauthenticated", "Unauthenticated"]
    assert all(isinstance(one, SignInResponse | Failure) for one in answers)


async def test_only_administrators_invite_and_read_invitations(house: House) -> None:
    """Nobody lets anybody in by themselves; to another organization's administrator it does not exist."""
    invited = await invite(house, address())
    for role in (USER, VIEWER):
        member = house.actor(await house.user(role))
        for rpc, request in (
            ("GetInvitation", GetInvitationRequest(id=invited.invitation.id)),
            ("RevokeInvitation", RevokeInvitationRequest(id=invited.invitation.id)),
        ):
            with pytest.raises(NotPermitted):
                await house.call(member, rpc, request)
        with pytest.raises(NotPermitted):
            await invite(house, address(), by=member)
    boss = await _elsewhere(house)
    for rpc in ("GetInvitation", "RevokeInvitation"):
        request = (GetInvitationRequest if rpc.startswith("Get") else RevokeInvitationRequest)(id=invited.invitation.id)
        with pytest.raises(NotFound):
            await house.call(boss, rpc, request)


async def test_the_token_and_the_address_are_nowhere_else(house: House) -> None:
    """The database has the token's hash alone; no event tells token or address."""
    invited = await invite(house, address())
    async with house.database.system() as tx:
        rows = await tx.fetch("SELECT row_to_json(i)::text AS text FROM invitations i")
    assert rows and not [row for row in rows if invited.token in row["text"]]
    told = str(await house.events())
    assert invited.token not in told and invited.invitation.email not in told


async def test_an_invitation_ends_within_30_days(house: House) -> None:
    """After a week unless it says otherwise; never in the past."""
    made = (await invite(house, address())).invitation
    assert made.expires_at.seconds - made.created_at.seconds in range(7 * 86_400 - 2, 7 * 86_400 + 2)
    for seconds in (time.time() - 1, time.time() + 31 * 86_400):
        with pytest.raises(InvalidFields):
            await invite(house, address(), expires_at=int(seconds))


async def test_who_is_there_is_not_invited_again(house: House) -> None:
    """A member who signs in is refused; one who only has keys gets a sign-in, and keeps the role."""
    email = address()
    joined = await join(house, email)
    with pytest.raises(AlreadyExists):
        await invite(house, email.upper())
    with_keys = await house.user(VIEWER)
    same = await join(house, with_keys.email, role=ADMIN)
    assert (same.user.id, same.user.role) == (with_keys.id, VIEWER)
    ended = await house.call(house.admin, "EndMembership", EndMembershipRequest(id=joined.user.id))
    assert ended.HasField("ended_at")
    back = await join(house, email, role=VIEWER)
    assert (back.user.id, back.user.role, back.user.deactivated) == (joined.user.id, VIEWER, False)
    assert not (await house.call(house.admin, "GetUser", GetUserRequest(id=back.user.id))).HasField("ended_at")


async def test_an_accepted_invitation_is_not_revoked(house: House) -> None:
    """What it made is ended in its own way."""
    email = address()
    invited = await invite(house, email)
    await accept(house, invited.token, email)
    with pytest.raises(IllegalState):
        await house.call(house.admin, "RevokeInvitation", RevokeInvitationRequest(id=invited.invitation.id))


async def _elsewhere(house: House) -> Actor:
    """Returns the administrator of another organization."""
    founded = await house.found()
    return replace(house.actor(founded.administrator), organization_id=UUID(founded.organization.id))
