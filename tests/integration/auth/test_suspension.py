"""A suspended organization: nobody of it comes in, nothing of it goes on, and all is as it was once it is resumed."""

import pytest
from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import (
    GetOrganizationRequest,
    ResumeOrganizationRequest,
    SuspendOrganizationRequest,
)
from ashgrove.event.v1.event_pb2 import Event
from google.protobuf.json_format import ParseDict

from framework.call import service_actor
from framework.errors import GrantLost, IllegalState, NotFound, NotPermitted, Unauthenticated
from framework.events.revocations import Revocations
from framework.identifiers import new_id
from services.auth.founding import found_organization
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import OPERATOR, House, context


async def suspend(house: House, identifier: str = "") -> organization_pb2.Organization:
    request = SuspendOrganizationRequest(id=identifier or str(house.organization_id), reason="unpaid bills")
    suspended: organization_pb2.Organization = await house.call(OPERATOR, "SuspendOrganization", request)
    return suspended


async def resume(house: House) -> organization_pb2.Organization:
    request = ResumeOrganizationRequest(id=str(house.organization_id))
    resumed: organization_pb2.Organization = await house.call(OPERATOR, "ResumeOrganization", request)
    return resumed


async def test_suspension_ends_keys_tokens_and_grants_until_it_is_lifted(house: House, gate: Gate) -> None:
    """At the gate, at sign-in and at the exchange of grants; another organization notices nothing."""
    token = (await house.authenticate(house.secret)).access_token
    grant = await house.grant(house.admin)
    elsewhere = (await house.found()).secret
    await gate.until(house.secret, admitted=True)
    assert (await suspend(house)).suspended_at.seconds
    await gate.until(house.secret, admitted=False)
    assert not gate.admits(token)
    await gate.until(elsewhere, admitted=True)
    with pytest.raises(Unauthenticated):
        await house.authenticate(house.secret)
    with pytest.raises(GrantLost) as lost:
        await house.grants.exchange(context(service_actor("optimizer")), grant)
    assert lost.value.metadata["cause"] == "organization suspended"
    assert not (await resume(house)).HasField("suspended_at")
    await gate.until(token, admitted=True)
    await house.grants.exchange(context(service_actor("optimizer")), grant)


async def test_who_is_not_suspended_is_not_told_of_being_resumed(house: House) -> None:
    """It stays as it is: neither its etag moves, nor does its trail say that it changed."""
    await suspend(house)
    resumed, told = await resume(house), len(await house.events())
    assert await resume(house) == resumed
    assert len(await house.events()) == told


async def test_suspension_ends_streams(house: House) -> None:
    """Every service hears of it by auth's feed, and asks before each frame."""
    revocations, caller = Revocations(), context(house.admin)
    revocations.heard()
    revocations.check(caller)
    await suspend(house)
    assert revocations.note(ParseDict((await house.events())[-1], Event()))
    with pytest.raises(Unauthenticated):
        revocations.check(caller)
    await resume(house)
    revocations.note(ParseDict((await house.events())[-1], Event()))
    revocations.check(caller)


async def test_its_administrators_read_why(house: House) -> None:
    """The events are in the organization's own trail, with who did it."""
    await suspend(house)
    await resume(house)
    told = [e for e in await house.events() if e["type"] == "organization.updated"]
    assert [e["data"].get("suspension_reason") for e in told] == ["unpaid bills", None]
    assert {e["actor"]["id"] for e in told} == {OPERATOR.id}
    seen = await house.call(house.admin, "GetOrganization", GetOrganizationRequest(id=str(house.organization_id)))
    assert not seen.suspension_reason


async def test_only_the_operator_suspends_and_never_itself(house: House) -> None:
    """Administrators may not; what is not there is told; the operators' own organization stays open."""
    request = SuspendOrganizationRequest(id=str(house.organization_id), reason="x")
    with pytest.raises(NotPermitted):
        await house.call(house.admin, "SuspendOrganization", request)
    with pytest.raises(NotFound):
        await suspend(house, str(new_id()))
    founding = organization_pb2.Organization(name=f"platform {new_id()}")
    async with house.database.system() as tx:
        own = await found_organization(
            tx,
            context(OPERATOR),
            house.registry,
            house.application.pepper,
            house.founding(founding),
            operator=True,
        )
    with pytest.raises(IllegalState):
        await suspend(house, own.organization.id)


async def test_suspending_twice_keeps_the_first_time(house: House) -> None:
    """The newest reason stands."""
    first = await suspend(house)
    assert (await suspend(house)).suspended_at == first.suspended_at
