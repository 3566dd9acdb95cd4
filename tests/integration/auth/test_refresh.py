"""ext_authz hears of every change of keys and users, in the order of commits."""

import asyncio
import contextlib

from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import RevokeApiKeyRequest

from framework.call import Role
from framework.testing.waiting import until
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import House


async def test_a_new_key_is_known_and_a_revoked_one_refused(house: House, gate: Gate) -> None:
    """Creation and revocation reach the gate by themselves; access tokens end with their key."""
    made = await house.key(house.admin)
    await gate.until(made.secret, admitted=True)
    token = (await house.authenticate(made.secret)).access_token
    assert gate.admits(token)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id))
    await gate.until(made.secret, admitted=False)
    assert not gate.admits(token)
    assert gate.admits(house.secret)


async def test_x78_deactivation_ends_every_key_and_session(house: House, gate: Gate) -> None:
    """X-78: an inactive user is refused everywhere, and a reactivated one comes back."""
    user = await house.user()
    made = [await house.key(house.actor(user)) for _ in range(2)]
    await gate.until(made[1].secret, admitted=True)
    await house.change(user, deactivated=True)
    for one in made:
        await gate.until(one.secret, admitted=False)
    await house.change(user, deactivated=False)
    await gate.until(made[0].secret, admitted=True)


async def test_x75_a_demotion_reaches_the_gate(house: House, gate: Gate) -> None:
    """X-75: the role in the identity is the role in the table."""
    user = await house.user()
    made = await house.key(house.actor(user))
    await gate.until(made.secret, admitted=True)
    await house.change(user, role=user_pb2.User.ROLE_VIEWER)
    await until(lambda: gate.gatekeeper._credential(made.secret)[0].role is Role.VIEWER)  # type: ignore[union-attr]


async def test_changes_are_numbered_without_gaps_whoever_writes(house: House) -> None:
    """Concurrent writers share one counter, each change counts once, and a rollback leaves no gap."""
    user = await house.user()

    async def counted() -> int:
        async with house.database.system() as tx:
            row = await tx.fetch_one("SELECT number FROM credential_counter")
            return int(row["number"]) if row else -1

    before = await counted()
    await asyncio.gather(*(house.key(house.actor(user)) for _ in range(6)))
    with contextlib.suppress(RuntimeError):
        async with house.database.system() as tx:
            await tx.execute("UPDATE users SET name = 'x' WHERE id = %(id)s", {"id": user.id})
            raise RuntimeError
    assert await counted() == before + 6


async def test_a_gate_that_starts_late_knows_everything(house: House) -> None:
    """The first load takes all keys, revoked ones refused."""
    made = await house.key(house.admin)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id))
    late = Gate(house)
    assert late.refresher.age() == float("inf")
    await late.refresher.refresh()
    assert late.admits(house.secret)
    assert not late.admits(made.secret)
    assert late.refresher.age() < 60


async def test_a_key_works_from_the_moment_it_is_made(house: House) -> None:
    """Memory that has not heard of it yet is renewed before anybody is refused; nobody waits for the next look."""
    gate = Gate(house)
    await gate.refresher.refresh()
    made = await house.key(house.admin)
    assert not gate.admits(made.secret)
    assert gate.gatekeeper.may_be_new(f"Bearer {made.secret}")
    await gate.refresher.renew()
    assert gate.admits(made.secret)
