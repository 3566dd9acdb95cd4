"""Memberships: a person in several organizations says which one a call is for; what ends, ends everywhere."""

import contextlib
from dataclasses import replace
from uuid import UUID

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.authentication_requests_pb2 import (
    RefreshAccessTokenRequest,
    SignInResponse,
)
from ashgrove.auth.v1.user_requests_pb2 import (
    CreateServiceAccountRequest,
    EndMembershipRequest,
    GetUserRequest,
    ListMembershipsRequest,
    SetPreferencesRequest,
    UpdateUserRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import ANONYMOUS, Actor, ActorKind, Role, service_actor
from framework.errors import (
    AlreadyExists,
    GrantLost,
    IllegalState,
    InvalidFields,
    NotFound,
    NotPermitted,
    Unauthenticated,
)
from framework.events.revocations import Revocations
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import House, context
from tests.integration.auth.persons import address, boss_of_another, join, sign_in

ADMIN, USER, VIEWER = user_pb2.User.ROLE_ADMIN, user_pb2.User.ROLE_USER, user_pb2.User.ROLE_VIEWER
OPTIMIZER = service_actor("optimizer")


def acting(joined: SignInResponse) -> Actor:
    """Returns a person who signed in, as the gate states them."""
    role = Role(user_pb2.User.Role.Name(joined.user.role).removeprefix("ROLE_").lower())
    return replace(
        ANONYMOUS,
        kind=ActorKind.USER,
        id=joined.user.id,
        role=role,
        organization_id=UUID(joined.organization_id),
        credential_id=joined.user.id,
    )


async def test_a_person_of_two_organizations_names_one_at_sign_in(house: House) -> None:
    """Whoever names none is told which there are; a foreign one is told like a missing one; one alone needs no name."""
    email, boss = address(), await boss_of_another(house)
    here = await join(house, email)
    assert (await sign_in(house, email)).organization_id == here.organization_id
    there = await join(house, email, by=boss)
    with pytest.raises(InvalidFields) as refused:
        await sign_in(house, email)
    (violation,) = refused.value.violations
    assert violation.path == "organization_id"
    assert here.organization_id in violation.message and there.organization_id in violation.message
    for one in (here, there):
        assert (await sign_in(house, email, organization=one.organization_id)).user.id == one.user.id
    told = set()
    for foreign in (str((await boss_of_another(house)).organization_id), "00000000-0000-0000-0000-000000000001"):
        with pytest.raises(InvalidFields) as refused:
            await sign_in(house, email, organization=foreign)
        told.add(refused.value.message)
    assert len(told) == 1


async def test_a_call_is_for_the_organization_that_it_names(house: House, gate: Gate) -> None:
    """One sign-in serves all of a person's organizations, each with the role there; a key serves its own."""
    email, boss = address(), await boss_of_another(house)
    here, there = await join(house, email), await join(house, email, by=boss, role=VIEWER)
    await gate.until(there.access_token, admitted=True)
    token = here.access_token
    plain, named, other = (gate.admitted(token, o) for o in ("", here.organization_id, there.organization_id))
    assert plain is not None and plain == named and str(plain.user_id) == here.user.id
    assert other is not None and (str(other.user_id), other.role) == (there.user.id, Role.VIEWER)
    assert not gate.admits(token, str((await boss_of_another(house)).organization_id))
    assert not gate.admits(token, "nonsense")
    key = (await house.key(house.admin, user_id=here.user.id)).secret
    await gate.until(key, admitted=True)
    by_key = (await house.authenticate(key)).access_token
    for secret in (key, by_key):
        assert not gate.admits(secret, there.organization_id)


async def test_an_administrator_who_makes_a_key_for_somebody_learns_nothing_of_elsewhere(house: House) -> None:
    """A person sees every organization of theirs; a key, which others may hold, its own only."""
    email, boss = address(), await boss_of_another(house)
    here, there = await join(house, email), await join(house, email, by=boss)

    async def seen(actor: Actor) -> set[str]:
        told = await house.call(actor, "ListMemberships", ListMembershipsRequest())
        return {one.organization_id for one in told.memberships}

    assert await seen(acting(here)) == {here.organization_id, there.organization_id}
    assert await seen(replace(acting(here), credential_id="some-key")) == {here.organization_id}
    assert await seen(house.admin) == {str(house.organization_id)}


async def ended_by(house: House, user: user_pb2.User, how: str) -> None:
    if how == "deactivated":
        await house.change(user, deactivated=True)
    else:
        await house.call(house.admin, "EndMembership", EndMembershipRequest(id=user.id))


@pytest.mark.parametrize("how", ["deactivated", "ended"])
async def test_x78_what_ends_a_membership_ends_key_token_session_grant_and_stream(
    house: House, gate: Gate, how: str
) -> None:
    """X-78: each of them, at the gate, at auth and in whatever serves a stream; the person's other places stay."""
    email, boss = address(), await boss_of_another(house)
    there = await join(house, email, by=boss)
    joined = await join(house, email)
    member = house.actor(joined.user)
    key = (await house.key(member)).secret
    grant, streaming = await house.grant(member), Revocations()
    streaming.heard()
    await gate.until(key, admitted=True)
    assert gate.admits(joined.access_token)
    await ended_by(house, joined.user, how)
    await gate.until(key, admitted=False)
    assert not gate.admits(joined.access_token)
    assert gate.admits(joined.access_token, there.organization_id)
    with pytest.raises(Unauthenticated):
        request = RefreshAccessTokenRequest(refresh_token=joined.refresh_token)
        await house.call(ANONYMOUS, "RefreshAccessToken", request)
    with pytest.raises(Unauthenticated):
        await house.authenticate(key)
    with pytest.raises(GrantLost) as lost:
        await house.grants.exchange(context(OPTIMIZER), grant)
    assert lost.value.metadata["cause"] == {"deactivated": "user inactive", "ended": "membership ended"}[how]
    for event in await house.told():
        streaming.note(event)
    with pytest.raises(Unauthenticated):
        streaming.check(context(member))
    assert (await sign_in(house, email)).organization_id == there.organization_id


async def test_a_member_leaves_and_the_last_administrator_stays(house: House) -> None:
    """Nobody ends another's but administrators; ending twice is no error; keys never come back."""
    joined, other = await join(house, address()), await house.user()
    key = await house.key(house.actor(joined.user))
    with pytest.raises(NotPermitted):
        await house.call(house.actor(other), "EndMembership", EndMembershipRequest(id=joined.user.id))
    leave = EndMembershipRequest(id=joined.user.id)
    gone = await house.call(house.actor(joined.user), "EndMembership", leave)
    assert gone.deactivated and (await house.call(house.admin, "EndMembership", leave)).ended_at == gone.ended_at
    with pytest.raises(IllegalState):
        await house.change(joined.user, deactivated=False)
    await join(house, joined.user.email)
    with pytest.raises(Unauthenticated):
        await house.authenticate(key.secret)
    with pytest.raises(IllegalState):
        await house.call(house.admin, "EndMembership", EndMembershipRequest(id=house.administrator.id))
    account = await house.call(house.admin, "CreateServiceAccount", CreateServiceAccountRequest(handle="a", role=ADMIN))
    assert account.role == ADMIN
    with pytest.raises(IllegalState):  # no program rules an organization alone
        await house.change(house.administrator, role=USER)


async def test_a_rehearsed_end_ends_nothing(house: House) -> None:
    """`validate_only` answers as if, and keys go on."""
    user = await house.user()
    key = await house.key(house.actor(user))
    request = EndMembershipRequest(id=user.id, validate_only=True)
    assert (await house.call(house.admin, "EndMembership", request)).deactivated
    assert (await house.authenticate(key.secret)).user.id == user.id


@pytest.mark.parametrize("field", ["role", "deactivated", "kind", "ended_at", "last_sign_in_at", "email", "*"])
async def test_x75_no_mask_lifts_anybody(house: House, field: str) -> None:
    """X-2, X-75: a member changes nothing of themselves through UpdateUser, whatever the mask names."""
    member = await house.user()
    wanted = user_pb2.User(id=member.id, role=ADMIN, kind=user_pb2.User.KIND_SERVICE_ACCOUNT, email=member.email)
    request = UpdateUserRequest(user=wanted, update_mask=FieldMask(paths=[field]))
    with pytest.raises(NotPermitted):
        await house.call(house.actor(member), "UpdateUser", request)
    seen = await house.call(house.admin, "GetUser", GetUserRequest(id=member.id))
    assert seen == member or (seen.role == USER and seen.etag == member.etag)


async def test_no_administrator_makes_of_anybody_what_only_the_platform_does(house: House) -> None:
    """Kind, end and last sign-in are output-only, for administrators too."""
    member = await house.user()
    wanted = user_pb2.User(id=member.id, kind=user_pb2.User.KIND_BREAK_GLASS)
    wanted.ended_at.FromSeconds(1)
    for paths in (["kind"], ["ended_at"], ["kind", "ended_at"]):
        request = UpdateUserRequest(user=wanted, update_mask=FieldMask(paths=paths))
        with contextlib.suppress(InvalidFields):
            await house.call(house.admin, "UpdateUser", request)
        seen = await house.call(house.admin, "GetUser", GetUserRequest(id=member.id))
        assert (seen.kind, seen.HasField("ended_at")) == (user_pb2.User.KIND_PERSON, False)


async def test_a_service_account_has_keys_and_no_sign_in(house: House) -> None:
    """Administrators make it; its keys say who made them; nobody is invited in its place."""
    request = CreateServiceAccountRequest(handle="nightly-report", role=VIEWER)
    with pytest.raises(NotPermitted):
        await house.call(house.actor(await house.user()), "CreateServiceAccount", request)
    account = await house.call(house.admin, "CreateServiceAccount", request)
    assert account.kind == user_pb2.User.KIND_SERVICE_ACCOUNT and account.role == VIEWER
    with pytest.raises(AlreadyExists):
        await house.call(house.admin, "CreateServiceAccount", request)
    made = await house.key(house.admin, user_id=account.id)
    assert made.api_key.created_by == house.administrator.id
    assert (await house.authenticate(made.secret)).user.id == account.id
    with pytest.raises(Unauthenticated):
        await sign_in(house, account.email)
    with pytest.raises(AlreadyExists):
        await join(house, account.email)


async def test_preferences_are_ones_own(house: House) -> None:
    """Set by oneself, read by oneself, bounded, and in no event."""
    member = await house.user(VIEWER)
    request = SetPreferencesRequest()
    request.preferences.locale, request.preferences.more["density"] = "sv-SE", "compact"
    mine = house.actor(member)
    assert (await house.call(mine, "SetPreferences", request)).preferences.more["density"] == "compact"
    assert (await house.call(mine, "GetUser", GetUserRequest(id=member.id))).preferences.locale == "sv-SE"
    seen = await house.call(house.admin, "GetUser", GetUserRequest(id=member.id))
    assert not seen.HasField("preferences") and "preferences" in seen.forbidden_fields
    assert "compact" not in str(await house.events())
    for wrong in ({"locale": "not a tag!"}, {"time_zone": "../etc/passwd"}, {"page_size": 5000}):
        with pytest.raises(InvalidFields):
            await house.call(mine, "SetPreferences", SetPreferencesRequest(preferences=wrong))  # type: ignore[arg-type]
    many = user_pb2.UserPreferences(more={str(n): "x" for n in range(51)})
    with pytest.raises(InvalidFields):
        await house.call(mine, "SetPreferences", SetPreferencesRequest(preferences=many))


async def test_the_last_sign_in_is_written_later_and_changes_no_lock(house: House) -> None:
    """By password and by key; other calls go on meanwhile, and no event and no etag comes of it."""
    joined = await join(house, address())
    before = await house.call(house.admin, "GetUser", GetUserRequest(id=joined.user.id))
    assert not before.HasField("last_sign_in_at")
    await house.application.sign_ins.write(house.database)
    after = await house.call(house.admin, "GetUser", GetUserRequest(id=joined.user.id))
    assert after.HasField("last_sign_in_at") and after.etag == before.etag
    await house.authenticate(house.secret)
    await house.application.sign_ins.write(house.database)
    mine = await house.call(house.admin, "GetUser", GetUserRequest(id=house.administrator.id))
    assert mine.HasField("last_sign_in_at")


async def test_a_member_elsewhere_is_not_found_here(house: House) -> None:
    """The person's membership of another organization is no row of this one."""
    email, boss = address(), await boss_of_another(house)
    await join(house, email)
    there = await join(house, email, by=boss)
    with pytest.raises(NotFound):
        await house.call(house.admin, "GetUser", GetUserRequest(id=there.user.id))
    with pytest.raises(NotFound):
        await house.call(house.admin, "EndMembership", EndMembershipRequest(id=there.user.id))
