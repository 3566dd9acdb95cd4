"""Sessions: refresh tokens rotate, a lost answer can be asked for again, a token used twice ends its session."""

import asyncio
import time
from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import RevokeApiKeyRequest
from ashgrove.auth.v1.authentication_requests_pb2 import (
    AuthenticateResponse,
    EndSessionRequest,
    RefreshAccessTokenRequest,
)

from framework.call import ANONYMOUS
from framework.errors import Unauthenticated
from framework.identifiers import new_id
from services.auth import refreshing
from services.auth.refreshing import RefreshToken
from tests.integration.auth.gate import Gate
from tests.integration.auth.house import House


async def refresh(house: House, token: str) -> Any:
    """Trades a refresh token as anybody."""
    return await house.call(ANONYMOUS, "RefreshAccessToken", RefreshAccessTokenRequest(refresh_token=token))


async def refused(house: House, token: str) -> str:
    """Returns what the refusal of a refresh token says."""
    with pytest.raises(Unauthenticated) as caught:
        await refresh(house, token)
    return caught.value.message


async def later(house: House, seconds: int) -> None:
    """Lets time pass for the house's sessions."""
    async with house.database.system() as tx:
        await tx.execute(
            """UPDATE sessions SET rotated_at = rotated_at - %(s)s * interval '1 second',
                                   expires_at = expires_at - %(s)s * interval '1 second'
               WHERE organization_id = %(o)s""",
            {"s": seconds, "o": house.organization_id},
        )


async def told(house: House) -> list[str]:
    """Returns what was told of the house's sessions."""
    return [e["type"] for e in await house.events() if e["type"].startswith("session.")]


async def signed_in(house: House) -> AuthenticateResponse:
    """Signs in with a key of the administrator's."""
    return await house.authenticate((await house.key(house.admin)).secret)


async def test_each_refresh_token_is_traded_for_the_next(house: House) -> None:
    """The end of the session stays where it was; every access token is one of the same user."""
    first = await signed_in(house)
    second = await refresh(house, first.refresh_token)
    third = await refresh(house, second.refresh_token)
    assert len({one.refresh_token for one in (first, second, third)}) == 3
    assert first.refresh_expires_at == third.refresh_expires_at
    for one in (first, second, third):
        claims = house.tokens.verify_access(one.access_token)
        assert claims is not None and str(claims.user_id) == house.administrator.id and claims.session_id


async def test_a_lost_answer_can_be_asked_for_again(house: House) -> None:
    """For a moment, at once or one after the other: the same token, not a second chain."""
    first = await signed_in(house)
    again = await asyncio.gather(*(refresh(house, first.refresh_token) for _ in range(4)))
    assert len({one.refresh_token for one in again}) == 1
    assert await refresh(house, again[0].refresh_token)
    assert not await told(house)


async def test_a_token_used_twice_ends_its_session(house: House, gate: Gate) -> None:
    """Later than a moment: for owner and thief alike, their access tokens included, and it is told."""
    first = await signed_in(house)
    second = await refresh(house, first.refresh_token)
    other = await signed_in(house)
    await gate.until(second.access_token, admitted=True)
    await later(house, 11)
    await refused(house, first.refresh_token)
    await refused(house, second.refresh_token)
    await gate.until(second.access_token, admitted=False)
    await gate.until(other.access_token, admitted=True)
    assert await told(house) == ["session.reused"]


async def test_signing_out_ends_a_session_and_tells_nobody_anything(house: House, gate: Gate) -> None:
    """With any of its tokens; twice is no error, nor is a token that is none."""
    first = await signed_in(house)
    await refresh(house, first.refresh_token)
    for token in (first.refresh_token, first.refresh_token, "nonsense"):
        await house.call(ANONYMOUS, "EndSession", EndSessionRequest(refresh_token=token))
    await gate.until(first.access_token, admitted=False)
    assert await told(house) == ["session.signed_out"]


async def test_whatever_is_wrong_with_a_refresh_token_the_answer_is_the_same(house: House) -> None:
    """Forged, of no session, of a generation to come, expired, of a revoked key, of somebody who left."""
    pepper, answers = house.application.pepper, set()
    first = await signed_in(house)
    known = refreshing.read(first.refresh_token, pepper)
    assert known is not None
    forged = RefreshToken(known.session_id, 1).text(b"another pepper")
    coming = RefreshToken(known.session_id, 7).text(pepper)
    for token in (forged, RefreshToken(new_id(), 1).text(pepper), first.refresh_token[:-1], "x", coming):
        answers.add(await refused(house, token))
    made = await house.key(house.admin)
    held = await house.authenticate(made.secret)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id))
    answers.add(await refused(house, held.refresh_token))
    user = await house.user()
    held = await house.authenticate((await house.key(house.admin, user_id=user.id)).secret)
    await house.change(user_pb2.User(id=user.id), deactivated=True)
    answers.add(await refused(house, held.refresh_token))
    held = await signed_in(house)
    await later(house, 31 * 86_400)
    answers.add(await refused(house, held.refresh_token))
    assert len(answers) == 1


async def test_a_session_does_not_outlive_its_key(house: House) -> None:
    """Nor does an access token of it."""
    made = await house.key(house.admin, expires_at=int(time.time()) + 100)
    held = await house.authenticate(made.secret)
    assert (await refresh(house, held.refresh_token)).expires_at.seconds <= made.api_key.expires_at.seconds


async def test_the_database_holds_no_token(house: House) -> None:
    """Not in any table, not in any event."""
    held = await signed_in(house)
    proof = held.refresh_token[-43:]
    async with house.database.system() as tx:
        rows = await tx.fetch("SELECT row_to_json(s)::text AS text FROM sessions s")
        rows += await tx.fetch("SELECT event::text AS text FROM outbox")
    assert rows and not [row for row in rows if proof in row["text"]]
