"""API keys: many per user, shown once, kept as digests, and all refusals alike."""

import hmac
import time
from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import GetApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from ashgrove.auth.v1.user_requests_pb2 import ListUsersRequest

from framework.call import ANONYMOUS
from framework.errors import InvalidFields, NotFound, NotPermitted, Unauthenticated
from framework.identifiers import new_id
from framework.storage import Transaction
from services.auth import keys
from tests.integration.auth.house import House


async def test_x77_a_user_has_many_keys_each_with_its_own_life(house: House) -> None:
    """X-77: keys have names, ids and expiries; both of two work, and revoking one leaves the other."""
    user = await house.user()
    actor = house.actor(user)
    first, second = await house.key(actor), await house.key(actor, expires_at=int(time.time()) + 3600)
    for made in (first, second):
        assert (await house.authenticate(made.secret)).user.id == user.id
    await house.call(actor, "RevokeApiKey", RevokeApiKeyRequest(id=first.api_key.id))
    with pytest.raises(Unauthenticated):
        await house.authenticate(first.secret)
    await house.authenticate(second.secret)


async def test_x82_a_key_is_rotated_with_overlap_by_its_holder_or_an_administrator(house: House) -> None:
    """X-82: making and revoking are authorised; a stranger's key does not even exist."""
    user, other = await house.user(), await house.user()
    made = await house.key(house.actor(user))
    revoke = RevokeApiKeyRequest(id=made.api_key.id)
    with pytest.raises(NotFound):
        await house.call(house.actor(other), "RevokeApiKey", revoke)
    with pytest.raises(NotPermitted):
        await house.key(house.actor(other), user_id=user.id)
    for_another = await house.key(house.admin, user_id=user.id)
    assert for_another.api_key.created_by == house.administrator.id
    revoked = await house.call(house.admin, "RevokeApiKey", revoke)
    again = await house.call(house.admin, "RevokeApiKey", revoke)
    assert again.revoked_at == revoked.revoked_at


async def test_a_viewer_writes_nothing(house: House) -> None:
    """X-87: a viewer makes no keys, the administrator makes them one."""
    viewer = await house.user(user_pb2.User.ROLE_VIEWER)
    with pytest.raises(NotPermitted):
        await house.key(house.actor(viewer))
    assert (await house.key(house.admin, user_id=viewer.id)).api_key.user_id == viewer.id


async def test_x83_a_secret_is_shown_once_and_kept_nowhere(house: House) -> None:
    """X-83: neither a read nor the table nor any event holds the secret."""
    made = await house.key(house.admin)
    shown = await house.call(house.admin, "GetApiKey", GetApiKeyRequest(id=made.api_key.id))
    assert shown == made.api_key
    assert made.secret.startswith(shown.prefix)
    async with house.database.system() as tx:
        rows = await tx.fetch("SELECT row_to_json(k)::text AS text FROM api_keys k")
        rows += await tx.fetch("SELECT event::text AS text FROM outbox")
    assert not [row for row in rows if made.secret in row["text"] or made.secret.split("_")[1] in row["text"]]


async def test_a_key_needs_a_user_of_the_organization(house: House) -> None:
    """A key for a stranger or for nobody is a wrong field."""
    stranger = (await house.found()).administrator
    for user_id in (stranger.id, str(new_id())):
        with pytest.raises(InvalidFields) as refusal:
            await house.key(house.admin, user_id=user_id)
        assert "user_id" in refusal.value.violations[0].path


class Work:
    """Counts the statements and the hash comparisons of a call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        for name in ("fetch", "execute"):
            self._watch(monkeypatch, name)
        compare, digest = hmac.compare_digest, hmac.digest
        monkeypatch.setattr(hmac, "compare_digest", lambda *a: self.done.append("compare") or compare(*a))
        monkeypatch.setattr(hmac, "digest", lambda *a: self.done.append("digest") or digest(*a))

    def _watch(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        real = getattr(Transaction, name)

        async def watched(tx: Transaction, sql: str, params: Any = None) -> Any:
            self.done.append(sql)
            return await real(tx, sql, params)

        monkeypatch.setattr(Transaction, name, watched)

    def take(self) -> list[str]:
        done, self.done = self.done, []
        return done


async def test_x78_x81_all_refusals_are_one_answer_after_the_same_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-78, X-81: wrong, unknown, malformed, expired, revoked and inactive cannot be told apart."""
    user = await house.user()
    expired = await house.key(house.admin, user_id=user.id, expires_at=int(time.time()) - 10)
    revoked = await house.key(house.admin, user_id=user.id)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=revoked.api_key.id))
    gone = await house.user()
    inactive = await house.key(house.admin, user_id=gone.id)
    await house.change(gone, deactivated=True)
    mistyped = house.secret[:-1] + ("0" if house.secret[-1] != "0" else "1")
    work = Work(monkeypatch)
    answers, efforts = [], []
    for key in (keys.new_key(), "nonsense", mistyped, expired.secret, revoked.secret, inactive.secret):
        with pytest.raises(Unauthenticated) as refusal:
            await house.authenticate(key)
        answers.append(refusal.value.status().SerializeToString())
        efforts.append(work.take())
    assert len(set(answers)) == 1
    assert len(efforts[0]) >= 4
    assert all(effort == efforts[0] for effort in efforts)


async def test_x78_an_expired_or_revoked_key_gives_no_access_token_longer_than_itself(house: House) -> None:
    """An access token ends with its key."""
    ends = int(time.time()) + 60
    made = await house.key(house.admin, expires_at=ends)
    response = await house.authenticate(made.secret)
    assert response.expires_at.seconds == ends
    claims = house.tokens.verify_access(response.access_token)
    assert claims is not None
    assert str(claims.api_key_id) == made.api_key.id


async def test_signing_in_and_failing_to_are_both_recorded(house: House) -> None:
    """A sign-in leaves an event with its key, a refused key of ours one too."""
    made = await house.key(house.admin)
    await house.authenticate(made.secret)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id))
    with pytest.raises(Unauthenticated):
        await house.authenticate(made.secret)
    told = [(e["type"], e["outcome"]) for e in await house.events() if e.get("resource_id") == made.api_key.id]
    assert told == [
        ("api_key.created", "OK"),
        ("api_key.authenticated", "OK"),
        ("api_key.updated", "OK"),
        ("api_key.refused", "UNAUTHENTICATED"),
    ]


async def test_anybody_reads_the_public_keys_and_nothing_else(house: House) -> None:
    """The JWKS is public; everything else asks for a credential."""
    jwks = await house.call(ANONYMOUS, "GetJwks", GetJwksRequest())
    assert jwks.keys[0]["kid"] == house.tokens.kid
    for rpc, request in (("ListUsers", ListUsersRequest()), ("ListApiKeys", ListApiKeysRequest())):
        with pytest.raises(Unauthenticated):
            await house.call(ANONYMOUS, rpc, request)
