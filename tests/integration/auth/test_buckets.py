"""Token buckets in a real Redis-compatible server: exact, shared, all or nothing, and never without an answer."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.buckets import Bucket, Buckets, Memory
from services.auth.limits import Limits, Rate, Rates, cost_of
from tests.tries import tries

_HOUR = 1 / 3600


def bucket(burst: int, per_second: float = _HOUR) -> Bucket:
    """Returns a bucket that nobody else has; nothing comes back to it while a test lasts."""
    return Bucket(uuid.uuid4().hex, per_second, burst)


@pytest.fixture
async def buckets(valkey_url: str) -> AsyncIterator[Buckets]:
    made = Buckets(valkey_url)
    yield made
    await made.close()


async def test_a_burst_is_admitted_and_not_one_more(buckets: Buckets, valkey_url: str) -> None:
    """Whichever process asks, and however many at once."""
    other, one = Buckets(valkey_url), bucket(30)
    taken = await asyncio.gather(*((buckets, other)[i % 2].take([one]) for i in range(50)))
    await other.close()
    assert len([t for t in taken if not t.wait_seconds]) == 30
    assert min(t.wait_seconds for t in taken if t.wait_seconds) > 3000
    assert buckets.shared and other.shared


async def test_what_one_bucket_refuses_costs_nothing_in_the_others(buckets: Buckets) -> None:
    """And the tightest is named."""
    narrow, wide = bucket(1), bucket(5)
    assert not (await buckets.take([wide, narrow])).wait_seconds
    for _ in range(3):
        refused = await buckets.take([wide, narrow])
        assert refused.wait_seconds and refused.tightest == narrow and refused.remaining == 0
    assert (await buckets.take([wide])).remaining == 3


async def test_dear_calls_take_more(buckets: Buckets) -> None:
    """A cost above what is left waits for just as long as it takes."""
    one = bucket(10)
    assert (await buckets.take([one], 7)).remaining == 3
    assert (await buckets.take([one], 5)).wait_seconds == pytest.approx(2 * 3600, rel=0.01)
    assert (await buckets.take([one], 3)).remaining == 0


async def test_what_costs_more_than_a_bucket_holds_takes_a_full_one() -> None:
    """Batches of every kind are dear; where bursts are set low they come one at a time, and not never."""
    alone, hour = Buckets("redis://127.0.0.1:1/0"), Rate(_HOUR, 10)
    limits = Limits(alone, Rates(hour, hour, hour, hour))
    for address, rpc in (("a", "SignIn"), ("b", "BatchExecuteProgram"), ("c", "StreamConfigurations")):
        path = f"/ashgrove.some.v1.SomeService/{rpc}"
        assert cost_of(path) == 20
        taken = [await limits.anonymous(address, path) for _ in range(2)]
        assert [bool(each.wait_seconds) for each in taken] == [False, True]
    await alone.close()


async def test_without_redis_each_process_counts_for_itself() -> None:
    """At once, and back with Redis: no call waits for a server that is away."""
    alone = Buckets("redis://127.0.0.1:1/0")
    one = bucket(2)
    taken = [await alone.take([one]) for _ in range(3)]
    await alone.close()
    assert [bool(t.wait_seconds) for t in taken] == [False, False, True]
    assert not alone.shared


@settings(max_examples=tries(50), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5_000_000), st.integers(1, 4)), max_size=60), st.integers(1, 8))
def test_never_more_than_burst_and_rate_allow(calls: list[tuple[int, int]], burst: int) -> None:
    """Over any time in which calls come, at any pace and cost; and a wait is never told too short."""
    memory, one, now, admitted = Memory(), Bucket("x", 2.0, burst), 1e9, []
    for pause, cost in calls:
        now += pause
        taken = memory.take([one], cost, now)
        if taken.wait_seconds:
            later = now + taken.wait_seconds * 1_000_000 + 1
            patient = Memory()
            patient._full = memory._full.copy()
            assert cost > burst or not patient.take([one], cost, later).wait_seconds
        else:
            admitted.append((now, cost))
    for i, (since, _) in enumerate(admitted):
        for until, _ in admitted[i:]:
            total = sum(cost for at, cost in admitted if since <= at <= until)
            assert total <= burst + (until - since) / 1_000_000 * 2.0 + 1e-6
