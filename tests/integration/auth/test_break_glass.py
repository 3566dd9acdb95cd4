"""Breaking glass: the operator sees no tenant's content but by a way in that is told, short and everybody's to end."""

import time
from dataclasses import replace
from typing import Any

import jwt
import pytest
from ashgrove.auth.v1 import organization_pb2, user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import CreateApiKeyRequest, RevokeApiKeyRequest
from ashgrove.auth.v1.organization_requests_pb2 import (
    BreakGlassRequest,
    BreakGlassResponse,
    ListOrganizationsRequest,
    SuspendOrganizationRequest,
)
from ashgrove.auth.v1.user_requests_pb2 import (
    CreateServiceAccountRequest,
    CreateUserRequest,
    EndMembershipRequest,
    ListUsersRequest,
    UpdateUserRequest,
)

from framework.call import Actor, service_actor
from framework.errors import GrantLost, IllegalState, InvalidFields, NotFound, NotPermitted, Unauthenticated
from framework.events.revocations import Revocations
from framework.identifiers import new_id
from framework.rpc.identity import actor_from
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import OPERATOR, House, context
from tests.integration.auth.persons import address, invite

ADMIN, VIEWER = user_pb2.User.ROLE_ADMIN, user_pb2.User.ROLE_VIEWER


async def break_in(house: House, role: int = VIEWER, by: Actor = OPERATOR, **asked: Any) -> BreakGlassResponse:
    asked = {"id": str(house.organization_id), "reason": "support ticket 4711", "role": role, **asked}
    made: BreakGlassResponse = await house.call(by, "BreakGlass", BreakGlassRequest(**asked))
    return made


async def as_guest(gate: Gate, made: BreakGlassResponse) -> Actor:
    await gate.until(made.secret, admitted=True)
    credential = gate.admitted(made.secret)
    assert credential is not None
    return credential.actor()


async def test_the_operator_gets_a_key_of_a_member_that_everybody_sees(house: House, gate: Gate) -> None:
    """Read-only unless it asks for more; the members' list, the key's name and both trails say so."""
    made = await break_in(house)
    guest = await as_guest(gate, made)
    assert (guest.role, guest.organization_id) == (house.actor(made.user).role, house.organization_id)
    seen = {u.id: u for u in (await house.call(house.admin, "ListUsers", ListUsersRequest())).users}
    assert seen[made.user.id].kind == user_pb2.User.KIND_BREAK_GLASS
    assert "support ticket 4711" in made.api_key.name
    (told,) = [e for e in await house.events() if e["type"] == "break_glass.granted"]
    assert told["data"]["reason"] == "support ticket 4711" and told["data"]["role"] == "ROLE_VIEWER"
    assert told["actor"]["id"] == OPERATOR.id


async def test_without_it_the_operator_finds_nothing(house: House) -> None:
    """Of an organization it sees the name and no more."""
    operator = replace(house.admin, id=str(new_id()), organization_id=new_id(), role=None, operator=True)
    assert not (await house.call(operator, "ListUsers", ListUsersRequest())).users
    with pytest.raises(NotPermitted):
        await invite(house, address(), by=operator)


async def test_nobody_else_breaks_glass_and_not_without_a_reason(house: House) -> None:
    """Nor for longer than an hour, nor as a user; what is not there and what is suspended is said."""
    with pytest.raises(NotPermitted):
        await break_in(house, by=house.admin)
    for wrong in ({"reason": ""}, {"reason": "because"}, {"lifetime_seconds": 3601}, {"role": 2}):
        with pytest.raises(InvalidFields):
            await break_in(house, **wrong)
    with pytest.raises(NotFound):
        await break_in(house, id=str(new_id()))
    request = SuspendOrganizationRequest(id=str(house.organization_id), reason="unpaid")
    await house.call(OPERATOR, "SuspendOrganization", request)
    with pytest.raises(IllegalState):
        await break_in(house)


async def test_whoever_is_let_in_leaves_nobody_behind(house: House, gate: Gate) -> None:
    """As an administrator, too: no member, no invitation, no key for anybody else, no change of who belongs."""
    guest = await as_guest(gate, await break_in(house, ADMIN))
    member = await house.user()
    key = CreateApiKeyRequest()
    key.api_key.name, key.api_key.user_id = "left behind", member.id
    for rpc, request in (
        ("CreateUser", CreateUserRequest(user=user_pb2.User(email=address()))),
        ("CreateServiceAccount", CreateServiceAccountRequest(handle="left-behind")),
        ("UpdateUser", UpdateUserRequest(user=user_pb2.User(id=member.id, role=ADMIN))),
        ("EndMembership", EndMembershipRequest(id=member.id)),
        ("CreateApiKey", key),
        ("RevokeApiKey", RevokeApiKeyRequest(id=house.api_key_id)),
    ):
        with pytest.raises((NotPermitted, NotFound)):
            await house.call(guest, rpc, request)
    with pytest.raises(NotPermitted):
        await invite(house, address(), by=guest)
    own = await house.key(guest)  # and what it makes for itself ends with it
    await gate.until(own.secret, admitted=True)
    credential = gate.admitted(own.secret)
    assert credential is not None and credential.expires_at is not None
    assert credential.expires_at <= time.time() + 900


async def test_whoever_is_let_in_runs_no_platform_from_there(house: House, gate: Gate) -> None:
    """Not even their own way in is theirs to widen or to prolong: that is for the operator at home, and told there."""
    guest = await as_guest(gate, await break_in(house))
    assert guest.guest and not guest.operator
    with pytest.raises(NotPermitted):
        await break_in(house, ADMIN, by=guest)
    suspension = SuspendOrganizationRequest(id=str(house.organization_id), reason="from within")
    for rpc, request in (
        ("CreateOrganization", house.founding(organization_pb2.Organization(name="left behind"))),
        ("SuspendOrganization", suspension),
    ):
        with pytest.raises(NotPermitted):
            await house.call(guest, rpc, request)
    seen = await house.call(guest, "ListOrganizations", ListOrganizationsRequest())
    assert [one.id for one in seen.organizations] == [str(house.organization_id)]


async def test_it_ends_by_itself_with_keys_tokens_grants_and_streams(house: House, gate: Gate) -> None:
    """At the time that was said, wherever it is asked."""
    made = await break_in(house, ADMIN, lifetime_seconds=600)
    guest = await as_guest(gate, made)
    assert guest.ends_at == pytest.approx(time.time() + 600, abs=60)
    token = (await house.authenticate(made.secret)).access_token
    grant = await house.grant(guest)
    streaming = Revocations()
    streaming.heard()
    streaming.check(context(guest))
    async with house.database.system() as tx:
        await tx.execute("UPDATE users SET ended_at = now() WHERE id = %(id)s", {"id": made.user.id})
    await gate.until(made.secret, admitted=False)
    assert not gate.admits(token)
    with pytest.raises(Unauthenticated):
        await house.authenticate(made.secret)
    with pytest.raises(GrantLost) as lost:
        await house.grants.exchange(context(service_actor("optimizer")), grant)
    assert lost.value.metadata["cause"] == "membership ended"
    with pytest.raises(Unauthenticated):
        streaming.check(context(replace(guest, ends_at=time.time() - 1)))


async def test_an_identity_token_says_when_its_credential_ends(house: House, gate: Gate) -> None:
    """So that a stream ends with it in whatever service serves it; of one that does not end it says nothing."""
    for secret in ((await break_in(house)).secret, house.secret):
        await gate.until(secret, admitted=True)
        credential = gate.admitted(secret)
        assert credential is not None
        token = house.tokens.issue_identity(credential.actor()).text
        claims = jwt.decode(token, options={"verify_signature": False})
        assert actor_from(claims).ends_at == credential.actor().ends_at
        assert actor_from(claims).guest is credential.guest is (secret != house.secret)
        assert ("ends" in claims) is (credential.expires_at is not None)


async def test_the_organizations_administrators_end_it_at_once(house: House, gate: Gate) -> None:
    """By deactivating the member; they change nothing else about it."""
    made = await break_in(house)
    await as_guest(gate, made)
    with pytest.raises(IllegalState):
        await house.change(made.user, role=ADMIN)
    await house.change(made.user, deactivated=True)
    await gate.until(made.secret, admitted=False)


async def test_it_never_counts_as_the_last_administrator(house: House) -> None:
    """The organization's own must stay."""
    await break_in(house, ADMIN)
    with pytest.raises(IllegalState):
        await house.change(house.administrator, role=VIEWER)
