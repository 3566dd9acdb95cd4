"""API keys: many per user, shown once, kept as digests, and all refusals alike."""

import hmac
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import (
    CreateApiKeyRequest,
    GetApiKeyRequest,
    ListApiKeysRequest,
    RevokeApiKeyRequest,
    RotateApiKeyRequest,
)
from ashgrove.auth.v1.authentication_requests_pb2 import GetJwksRequest
from ashgrove.auth.v1.user_requests_pb2 import ListUsersRequest

from framework.call import ANONYMOUS
from framework.errors import IllegalState, InvalidFields, NotFound, NotPermitted, Unauthenticated
from framework.identifiers import new_id
from framework.storage import Transaction
from services.auth import keys
from services.auth.credentials import CREDENTIAL_QUERY, credential_of
from services.auth.refusals import NO_KEY, WRONG_KEY, Refusals, tell
from services.auth.uses import Uses
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


async def a_minute_later(house: House) -> None:
    """Tells of the refusals so far, as if their minute were over."""
    async with house.database.system() as tx:
        await tx.execute("UPDATE refusals SET minute = minute - interval '1 hour'")
    await tell(house.database)


async def test_signing_in_and_failing_to_are_both_recorded(house: House) -> None:
    """A sign-in leaves an event with its key, and so do all the refusals of a key of ours within a minute."""
    made = await house.key(house.admin)
    await house.authenticate(made.secret)
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id))
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await house.authenticate(made.secret, "192.0.2.1")
    await a_minute_later(house)
    told = [e for e in await house.events() if e.get("resource_id") == made.api_key.id]
    assert [(e["type"], e["outcome"]) for e in told[:3]] == [
        ("api_key.created", "OK"),
        ("api_key.authenticated", "OK"),
        ("api_key.updated", "OK"),
    ]
    refused = told[3:]
    assert {(e["type"], e["outcome"]) for e in refused} == {("sign_in.refused", "UNAUTHENTICATED")}
    assert {e["client_address"] for e in refused} == {"192.0.2.1"}
    # A minute of the clock may have ended between two of them.
    assert len(refused) <= 2 and sum(e["data"]["count"] for e in refused) == 3


async def test_guesses_are_counted_by_address_wherever_they_come_in(house: House) -> None:
    """Of keys that nobody has: at the gate and at the door of Authenticate, for the platform's own chain."""
    address = f"2001:db8::{int(time.time()) % 10_000:x}"
    refusals = Refusals(house.database)
    for _ in range(5):
        refusals.note(address)
    await refusals.write()
    await refusals.write()
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await house.authenticate("nonsense", address)
    await a_minute_later(house)
    async with house.database.system() as tx:
        rows = await tx.fetch(
            "SELECT event FROM outbox WHERE organization_id IS NULL AND event->>'client_address' = %(a)s",
            {"a": address},
        )
    counts: Counter[str] = Counter()
    for row in rows:  # one of each reason, but when a minute of the clock ended in between
        counts[row["event"]["data"]["reason"]] += row["event"]["data"]["count"]
    assert counts == {NO_KEY: 5, WRONG_KEY: 2}


async def test_anybody_reads_the_public_keys_and_nothing_else(house: House) -> None:
    """The JWKS is public; everything else asks for a credential."""
    jwks = await house.call(ANONYMOUS, "GetJwks", GetJwksRequest())
    assert jwks.keys[0]["kid"] == house.tokens.kid
    for rpc, request in (("ListUsers", ListUsersRequest()), ("ListApiKeys", ListApiKeysRequest())):
        with pytest.raises(Unauthenticated):
            await house.call(ANONYMOUS, rpc, request)


async def test_a_key_with_scopes_makes_no_key_with_wider_ones(house: House) -> None:
    """Neither by creating nor by rotating; within its own it may."""
    await house.key(house.admin, scopes=["*:read", "ExecuteProgram"])
    bound = replace(house.admin, actions=frozenset({"api_keys:*", "programs:read", "ExecuteProgram"}))
    made = await house.key(bound, scopes=["programs:read", "ExecuteProgram"])
    assert list(made.api_key.scopes) == ["programs:read", "ExecuteProgram"]
    for wider in ([], ["programs:*"], ["*:read"], ["programs:read", "CloneProgram"]):
        with pytest.raises(NotPermitted):
            await house.key(bound, scopes=wider)
    free = await house.key(house.admin)
    with pytest.raises(NotPermitted):
        await house.call(bound, "RotateApiKey", RotateApiKeyRequest(id=free.api_key.id))


async def test_scopes_and_addresses_that_name_nothing_are_refused_by_place(house: House) -> None:
    """What is misspelt would bind the key to nothing, or to everything."""
    cases = {"scopes": ["program:read", "programs:delete", "GetProgramm", ""], "allowed_addresses": ["10.0.0.1/8", "x"]}
    for field, values in cases.items():
        for value in values:
            with pytest.raises(InvalidFields) as refused:
                await house.key(house.admin, **{field: [value]})
            assert [v.path for v in refused.value.violations] == [f"api_key.{field}[0]"]


async def test_the_scopes_bound_every_call(house: House) -> None:
    """Reads, writes and single RPCs, whatever the role."""
    listing, making = ListUsersRequest(), CreateApiKeyRequest()
    making.api_key.name = "x"
    making.api_key.scopes.append("users:read")
    bound = replace(house.admin, actions=frozenset({"users:read"}))
    await house.call(bound, "ListUsers", listing)
    with pytest.raises(NotPermitted):
        await house.call(bound, "CreateApiKey", making)
    bound = replace(house.admin, actions=frozenset({"*:write", "users:read"}))
    await house.call(bound, "CreateApiKey", making)
    with pytest.raises(NotPermitted):
        await house.call(bound, "ListApiKeys", ListApiKeysRequest())


async def test_a_rotated_key_and_its_successor_both_work_until_the_overlap_ends(house: House) -> None:
    """The successor has the old one's name, user, scopes, addresses and length of life; a key that ended has none."""
    life = 3600
    old = await house.key(
        house.admin, scopes=["users:read"], allowed_addresses=["::/0"], expires_at=int(time.time()) + life
    )
    request = RotateApiKeyRequest(id=old.api_key.id, overlap_seconds=60)
    made = await house.call(house.admin, "RotateApiKey", request)
    new, replaced = made.api_key, made.replaced
    assert (new.name, new.user_id, new.scopes, new.allowed_addresses) == (
        old.api_key.name,
        old.api_key.user_id,
        old.api_key.scopes,
        old.api_key.allowed_addresses,
    )
    assert new.expires_at.seconds - new.created_at.seconds == pytest.approx(life, abs=60)
    assert replaced.id == old.api_key.id and 0 < replaced.expires_at.seconds - time.time() <= 61
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=old.api_key.id))
    with pytest.raises(IllegalState):
        await house.call(house.admin, "RotateApiKey", request)


async def test_a_key_works_only_from_where_it_may(house: House) -> None:
    """IPv4 and IPv6, an IPv4 address in IPv6's clothes; from elsewhere it is as wrong as any other."""
    made = await house.key(house.admin, allowed_addresses=["192.0.2.0/24", "2001:db8::1"])
    for address in ("192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"):
        assert (await house.authenticate(made.secret, address)).access_token
    for address in ("192.0.3.7", "2001:db8::2", "", "nonsense"):
        with pytest.raises(Unauthenticated):
            await house.authenticate(made.secret, address)


async def test_the_last_use_of_a_key_is_written_and_told_once_a_day(house: House) -> None:
    """Without a change that ext_authz would have to hear of."""
    made = await house.key(house.admin)
    async with house.database.system() as tx:
        row = await tx.fetch_one(f"{CREDENTIAL_QUERY} WHERE api_key_id = %(id)s", {"id": made.api_key.id})
        number = await tx.fetch("SELECT number FROM credential_counter")
    assert row is not None
    uses = Uses(house.database)
    for _ in range(3):
        uses.note(credential_of(row))
        await uses.write()
    shown = await house.call(house.admin, "GetApiKey", GetApiKeyRequest(id=made.api_key.id))
    assert 0 <= time.time() - shown.last_used_at.seconds < 60
    assert [e["type"] for e in await house.events()].count("api_key.used") == 1
    async with house.database.system() as tx:
        assert await tx.fetch("SELECT number FROM credential_counter") == number


async def test_a_key_that_is_tried_has_no_secret_and_is_none(house: House) -> None:
    """Nor does trying to rotate or to revoke one change it; revoking under one request id is answered alike."""
    wanted = CreateApiKeyRequest(validate_only=True)
    wanted.api_key.name = "tried"
    tried = await house.call(house.admin, "CreateApiKey", wanted)
    assert (tried.api_key.name, tried.api_key.id, tried.secret) == ("tried", "", "")
    made = await house.key(house.admin)
    rotated = await house.call(house.admin, "RotateApiKey", RotateApiKeyRequest(id=made.api_key.id, validate_only=True))
    assert rotated.secret == "" and rotated.replaced.HasField("expires_at")
    await house.call(house.admin, "RevokeApiKey", RevokeApiKeyRequest(id=made.api_key.id, validate_only=True))
    kept = await house.call(house.admin, "GetApiKey", GetApiKeyRequest(id=made.api_key.id))
    assert kept == made.api_key
    listed = await house.call(house.admin, "ListApiKeys", ListApiKeysRequest(filter='name = "tried"'))
    assert not listed.api_keys
    revoke = RevokeApiKeyRequest(id=made.api_key.id, request_id="once")
    first, again = [await house.call(house.admin, "RevokeApiKey", revoke) for _ in range(2)]
    assert first == again and first.HasField("revoked_at")
