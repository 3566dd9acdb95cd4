"""Token buckets by the generic cell rate algorithm: one number a bucket, the time at which it will be full again.

Kept in Redis for all processes together, and in this process's own memory while Redis is away.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

_PREFIX = "ashgrove:limit:"
_PATIENCE_SECONDS = 0.1
_HANDSHAKE_SECONDS = 0.5  # once for a connection, by TLS
# How long Redis is left alone after it did not answer: no call waits for it meanwhile.
_PAUSE_SECONDS = 1.0
_REMEMBERED = 100_000
_MICRO = 1_000_000
_log = logging.getLogger(__name__)

# Every asker's buckets are looked at first and taken from only if all of them hold enough: a call that one bucket
# refuses costs nothing in the others. Numbers are written out, for Lua would round them to 14 digits.
_SCRIPT = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answers, key, argument = {}, 1, 2
for _ = 1, tonumber(ARGV[1]) do
  local count, cost = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
  argument = argument + 2
  local wait, left, tightest, full = 0, nil, 1, {}
  for i = 1, count do
    local interval, burst = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
    argument = argument + 2
    full[i] = math.max(tonumber(redis.call('GET', KEYS[key + i - 1]) or now), now) + cost * interval
    local over = full[i] - now - burst * interval
    local room = math.floor(-over / interval)
    if left == nil or room < left then left, tightest = room, i end
    if over > wait then wait = over end
  end
  if wait <= 0 then
    for i = 1, count do
      local text = string.format('%.0f', full[i])
      redis.call('SET', KEYS[key + i - 1], text, 'PX', math.ceil((full[i] - now) / 1000) + 1)
    end
  end
  key = key + count
  answers[#answers + 1] = {math.ceil(wait), math.max(left, 0), tightest - 1}
end
return answers
"""


@dataclass(frozen=True)
class Bucket:
    """A bucket of `burst` tokens that fills at `per_second`."""

    name: str
    per_second: float
    burst: int

    @property
    def interval(self) -> int:
        """Microseconds until a token comes back."""
        return max(1, round(_MICRO / self.per_second))


@dataclass(frozen=True)
class Taken:
    """Whether the tokens were there: the seconds until they are, 0 when they were taken; and the tightest bucket."""

    wait_seconds: float
    remaining: int
    tightest: Bucket


class Memory:
    """Buckets of this process alone."""

    def __init__(self) -> None:
        self._full: OrderedDict[str, float] = OrderedDict()

    def take(self, buckets: Sequence[Bucket], cost: int, now: float) -> Taken:
        """Takes the cost from every bucket, or from none; `now` is in microseconds."""
        full = [max(self._full.get(b.name, now), now) + cost * b.interval for b in buckets]
        over = [at - now - b.burst * b.interval for at, b in zip(full, buckets, strict=True)]
        room = [int(-o // b.interval) for o, b in zip(over, buckets, strict=True)]
        wait = max(0.0, *over)
        if not wait:
            self._full |= {b.name: at for b, at in zip(buckets, full, strict=True)}
            while len(self._full) > _REMEMBERED:
                self._full.popitem(last=False)
        tightest = min(range(len(buckets)), key=lambda i: room[i])
        return Taken(wait / _MICRO, max(room[tightest], 0), buckets[tightest])


class Buckets:
    """Buckets of the whole platform; calls that come at the same time share one question to Redis."""

    def __init__(self, url: str) -> None:
        connecting = _HANDSHAKE_SECONDS if url.startswith("rediss://") else _PATIENCE_SECONDS
        self._redis = Redis.from_url(url, socket_timeout=_PATIENCE_SECONDS, socket_connect_timeout=connecting)
        self._script = self._redis.register_script(_SCRIPT)
        self._memory = Memory()
        self._waiting: list[tuple[Sequence[Bucket], int, asyncio.Future[Taken]]] = []
        self._asking: asyncio.Task[None] | None = None
        self._alone_until = 0.0
        self.shared = True
        """Whether the buckets are those of the whole platform at present."""

    async def take(self, buckets: Sequence[Bucket], cost: int = 1) -> Taken:
        """Takes the cost from every bucket, or from none."""
        asked: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, cost, asked))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asked

    async def _ask(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            open_ = [(buckets, cost, asked) for buckets, cost, asked in batch if not asked.done()]
            for (_, _, asked), taken in zip(open_, await self._answers(open_), strict=True):
                if not asked.done():
                    asked.set_result(taken)

    async def _answers(self, batch: Sequence[tuple[Sequence[Bucket], int, object]]) -> list[Taken]:
        answers = await self._shared_answers(batch) if time.monotonic() >= self._alone_until else None
        if answers is None:
            now = time.monotonic() * _MICRO
            return [self._memory.take(buckets, cost, now) for buckets, cost, _ in batch]
        return [
            Taken(wait / _MICRO, left, buckets[tightest])
            for (wait, left, tightest), (buckets, _, _) in zip(answers, batch, strict=True)
        ]

    async def _shared_answers(self, batch: Sequence[tuple[Sequence[Bucket], int, object]]) -> list[Any] | None:
        try:
            keys = [_PREFIX + b.name for buckets, _, _ in batch for b in buckets]
            answers: list[Any] = await self._script(keys, _arguments(batch))
        except (RedisError, OSError, TimeoutError) as fault:
            self._alone_until = time.monotonic() + _PAUSE_SECONDS
            self._tell(shared=False, why=str(fault))
            return None
        self._tell(shared=True)
        return answers

    def _tell(self, *, shared: bool, why: str = "") -> None:
        if shared is not self.shared:
            _log.warning("limits are %s%s", "shared again" if shared else "this process's own: Redis is away: ", why)
        self.shared = shared

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


def _arguments(batch: Sequence[tuple[Sequence[Bucket], int, object]]) -> list[int]:
    arguments = [len(batch)]
    for buckets, cost, _ in batch:
        arguments += [len(buckets), cost]
        for bucket in buckets:
            arguments += [bucket.interval, bucket.burst]
    return arguments
