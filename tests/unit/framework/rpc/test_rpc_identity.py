"""Who calls: tokens are verified locally, keys fetched seldom, and every bad token answers alike."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import jwt
import pytest
from grpc import aio

from framework.call import ANONYMOUS, ActorKind, Context, Role
from framework.errors import DependencyUnavailable, Unauthenticated
from framework.rpc import identity
from framework.rpc.channels import as_caller
from framework.rpc.current import current
from framework.rpc.identity import Verifier

BAD = {
    "expired": {"exp": int(time.time()) - 6},
    "of another audience": {"aud": "gateway"},
    "of another issuer": {"iss": "somebody"},
    "issued in the future": {"iat": int(time.time()) + 86_400},
    "without an end": {"exp": None},
    "without a subject": {"sub": None},
    "of an unknown kind": {"kind": "robot"},
    "of an unknown role": {"role": "owner"},
    "of a strange organization": {"org": "acme"},
}


async def test_a_token_names_its_actor(serving: Any, issuer: Any) -> None:
    """The actor of the call is what the token says."""
    seen: list[Context] = []

    async def behaviour(_: Any) -> bytes:
        seen.append(current())
        return b""

    token = issuer.token(role="admin", act="optimizer", actions=["ExecuteProgram"], op=True)
    async with serving(behaviour, Verifier(issuer.fetch)) as served:
        await served.call(metadata=as_caller(token))
        await served.call()
    actor = seen[0].actor
    assert (actor.kind, actor.role, actor.delegate, actor.operator) == (ActorKind.USER, Role.ADMIN, "optimizer", True)
    assert actor.actions == {"ExecuteProgram"} and actor.credential_id == "c1"
    assert seen[0].token == token and token not in repr(seen[0])
    assert seen[1].actor == ANONYMOUS and seen[0].action == "UnaryUnary"


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
async def test_bad_tokens_are_refused(issuer: Any, changed: dict[str, Any]) -> None:
    """A token that does not hold is Unauthenticated, whatever is wrong with it."""
    with pytest.raises(Unauthenticated):
        await Verifier(issuer.fetch).actor(issuer.token(**changed))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "eyJhbGciOiJub25lIn0.e30."])
async def test_what_is_no_token_is_refused(issuer: Any, text: str) -> None:
    """Text that is no token is Unauthenticated."""
    with pytest.raises(Unauthenticated):
        await Verifier(issuer.fetch).actor(text)


async def test_another_key_of_the_same_name_is_refused(issuer: Any) -> None:
    """A token signed by a stranger under a known key id is refused, and so is another algorithm."""
    verifier = Verifier(issuer.fetch)
    await verifier.actor(issuer.token())
    stranger = type(issuer)()
    with pytest.raises(Unauthenticated):
        await verifier.actor(stranger.token())
    with pytest.raises(Unauthenticated):
        await verifier.actor(jwt.encode({"sub": "x"}, "k" * 32, "HS256", headers={"kid": issuer.kid}))


async def test_leeway(issuer: Any) -> None:
    """Clocks may differ by a little."""
    await Verifier(issuer.fetch).actor(issuer.token(exp=int(time.time()) - 2))


async def test_bad_tokens_through_the_server(serving: Any, issuer: Any) -> None:
    """A bad token is UNAUTHENTICATED, also where nobody would have asked for one."""

    async def behaviour(_: Any) -> bytes:
        return b""

    async with serving(behaviour, Verifier(issuer.fetch)) as served:
        with pytest.raises(aio.AioRpcError) as caught:
            await served.call(metadata=as_caller(issuer.token(aud="gateway")))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_new_key_is_fetched(issuer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown key causes one fetch; within the same second there is no other."""
    verifier = Verifier(issuer.fetch)
    await verifier.actor(issuer.token())
    issuer.rotate("second")
    token = issuer.token()
    with pytest.raises(Unauthenticated):
        await verifier.actor(token)
    assert issuer.fetches == 1
    monkeypatch.setattr(verifier, "_fetched", time.monotonic() - 1.5)
    await verifier.actor(token)
    assert issuer.fetches == 2


async def test_calls_wait_for_the_keys_that_another_call_fetches(issuer: Any) -> None:
    """The first calls of a process come together: one fetches, none is refused."""
    allowed = asyncio.Event()

    async def slow() -> Sequence[Mapping[str, Any]]:
        await allowed.wait()
        found: Sequence[Mapping[str, Any]] = await issuer.fetch()
        return found

    verifier = Verifier(slow)
    calls = [asyncio.create_task(verifier.actor(issuer.token())) for _ in range(5)]
    await asyncio.sleep(0)
    allowed.set()
    assert len(await asyncio.gather(*calls)) == 5
    assert issuer.fetches == 1


async def test_auth_down_is_no_bad_token(serving: Any, issuer: Any) -> None:
    """While auth gives no keys a caller is told to come back, not that the token is bad."""

    async def down() -> Sequence[Mapping[str, Any]]:
        raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())

    verifier = Verifier(down)
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            await verifier.actor(issuer.token())


async def test_a_verified_token_is_remembered_until_it_ends(issuer: Any) -> None:
    """A token seen before is not verified again, and not accepted after its end."""
    verifier = Verifier(issuer.fetch)
    token = issuer.token(exp=int(time.time()) + 60)
    assert await verifier.actor(token) is await verifier.actor(token)
    verifier._known[token] = (time.time() - 1, ANONYMOUS)
    assert await verifier.actor(token) != ANONYMOUS


async def test_a_key_that_auth_gave_up_holds_no_longer(issuer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are fetched anew by and by; while auth gives none, those that are known hold."""
    monkeypatch.setattr(identity, "KEYS_SECONDS", -1.0)
    answers = True

    async def fetch() -> Any:
        if not answers:
            raise aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, aio.Metadata(), aio.Metadata())
        return await issuer.fetch()

    verifier = Verifier(fetch)
    await verifier.actor(issuer.token())
    answers = False
    verifier._fetched = float("-inf")
    await verifier.actor(issuer.token())
    await verifier.actor(issuer.token())
    given_up = [issuer.token() for _ in range(50)]
    issuer.keys.clear()
    issuer.rotate("second")
    answers = True
    with pytest.raises(Unauthenticated):
        for token in given_up:
            verifier._fetched = float("-inf")
            await verifier.actor(token)
            await asyncio.sleep(0)
