"""Grants: work goes on in a user's name for exactly as long as the user may do it."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import jwt
import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import RevokeApiKeyRequest

from framework.call import ANONYMOUS, Actor, ActorKind, service_actor
from framework.errors import GrantLost, NotFound, NotPermitted, Unauthenticated
from framework.identifiers import new_id
from services.auth import grants
from services.auth.internal import InternalServicer
from tests.integration.auth.house import House, context

OPTIMIZER = service_actor("optimizer")


async def exchange(house: House, grant: str, actor: Actor = OPTIMIZER) -> dict[str, Any]:
    token = await house.grants.exchange(context(actor, "ExchangeGrant"), grant)
    claims: dict[str, Any] = jwt.decode(
        token.text, jwt.PyJWK(house.tokens.jwks()[0]), algorithms=["EdDSA"], audience="internal"
    )
    return claims


async def test_a_grant_becomes_the_users_identity_with_the_service_as_delegate(house: House) -> None:
    """The token says who, for whom, and what alone may be done; never that the user is the operator."""
    user = await house.user()
    claims = await exchange(house, await house.grant(house.actor(user)))
    assert (claims["sub"], claims["act"], claims["org"]) == (user.id, "optimizer", str(house.organization_id))
    assert (claims["actions"], claims["op"], claims["label"]) == (["EvaluateProgram"], False, user.email)
    assert claims["exp"] - claims["iat"] <= 60


@pytest.mark.parametrize(
    ("change", "cause"),
    [({"deactivated": True}, "user inactive"), ({"role": user_pb2.User.ROLE_VIEWER}, "role lowered")],
    ids=["deactivated", "demoted"],
)
async def test_a_grant_is_lost_with_its_users_rights(house: House, change: dict[str, Any], cause: str) -> None:
    """Each exchange looks again at the user; and a user who is restored may go on."""
    user = await house.user()
    grant = await house.grant(house.actor(user))
    await house.change(user, **change)
    with pytest.raises(GrantLost) as lost:
        await exchange(house, grant)
    assert lost.value.metadata["cause"] == cause
    await house.change(user, deactivated=False, role=user_pb2.User.ROLE_USER)
    await exchange(house, grant)


async def test_revoking_a_key_leaves_grants_alone(house: House) -> None:
    """A grant hangs on the user, not on the key that started the run."""
    grant = await house.grant(house.admin)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=house.api_key_id))
    await exchange(house, grant)


async def test_an_ended_an_unknown_and_another_services_grant_are_lost(house: House) -> None:
    """Only the named service uses a grant, and only until its end; ending twice is no error."""
    grant = await house.grant(house.admin)
    for actor, name in ((service_actor("program"), grant), (OPTIMIZER, str(new_id()))):
        with pytest.raises(GrantLost):
            await exchange(house, name, actor)
    for _ in range(2):
        await house.grants.end(context(OPTIMIZER, "EndGrant"), grant)
    with pytest.raises(GrantLost) as lost:
        await exchange(house, grant)
    assert lost.value.metadata["cause"] == "grant ended"


async def test_who_may_not_write_may_not_grant(house: House) -> None:
    """Viewers, delegates, services and strangers let nobody act."""
    viewer = house.actor(await house.user(user_pb2.User.ROLE_VIEWER))
    delegate = Actor(ActorKind.USER, house.administrator.id, house.organization_id, house.admin.role, "", "optimizer")
    for actor in (viewer, delegate, OPTIMIZER):
        with pytest.raises(NotPermitted):
            await house.grant(actor)
    with pytest.raises(Unauthenticated):
        await house.grant(ANONYMOUS)


async def test_users_cannot_exchange_and_strangers_cannot_end(house: House) -> None:
    """A grant is no credential for users, and does not exist for another organization."""
    grant = await house.grant(house.admin)
    with pytest.raises(NotPermitted):
        await exchange(house, grant, house.admin)
    stranger = Actor(ActorKind.USER, str(new_id()), new_id(), house.admin.role)
    with pytest.raises(NotFound):
        await house.grants.end(context(stranger, "EndGrant"), grant)
    await house.grants.end(context(house.admin, "EndGrant"), grant)


async def test_a_service_sees_its_own_open_grants_and_nobody_else_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Page by page, by id, those of every organization that have not ended."""
    monkeypatch.setattr(grants, "OPEN_PAGE", 2)
    made = sorted([await house.grant(house.admin) for _ in range(3)])
    await house.grants.end(context(OPTIMIZER, "EndGrant"), made[1])
    before = str(UUID(int=UUID(made[0]).int - 1))
    first = await house.grants.open(context(OPTIMIZER, "ListOpenGrants"), before)
    assert [each.grant_id for each in first[:2]] == [made[0], made[2]]
    assert {each.organization_id for each in first} == {str(house.organization_id)} and first[0].age_seconds >= 0
    assert not await house.grants.open(context(OPTIMIZER, "ListOpenGrants"), made[2])
    assert not await house.grants.open(context(service_actor("program"), "ListOpenGrants"), before)
    for actor, refusal in ((house.admin, NotPermitted), (ANONYMOUS, Unauthenticated)):
        with pytest.raises(refusal):
            await house.grants.open(context(actor, "ListOpenGrants"), "")


async def test_a_service_proves_itself_with_its_own_secret(house: House) -> None:
    """The right secret gives that service's identity; a wrong one and an unknown service are refused alike."""
    from ashgrove.auth.v1 import auth_internal_service_pb2 as pb

    servicer = InternalServicer(house.tokens, house.grants, {"audit": b"right"}, lambda: context(ANONYMOUS))
    issued = await servicer.IssueServiceToken(pb.IssueServiceTokenRequest(service="audit", secret="right"), None)
    claims = jwt.decode(issued.identity_token, options={"verify_signature": False})
    assert (claims["sub"], claims["kind"], claims["org"]) == ("audit", "service", "")
    for service, secret in (("audit", "wrong"), ("nobody", "right")):
        with pytest.raises(Unauthenticated):
            await servicer.IssueServiceToken(pb.IssueServiceTokenRequest(service=service, secret=secret), None)


async def test_a_key_with_scopes_may_let_a_run_act(house: House) -> None:
    """Whoever may start a run may have it run, whatever else their key does not cover."""
    bound = replace(house.admin, actions=frozenset({"optimization_runs:*"}))
    assert (await exchange(house, await house.grant(bound)))["act"] == "optimizer"
