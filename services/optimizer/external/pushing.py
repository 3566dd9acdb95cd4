"""Trials that come to their client: a stream looks at the run with all others, and takes turns only for a reason."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.optimizer.v1.external_requests_pb2 import RunStanding
from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.pushed_trials_pb2 import PushedTrials, PushTrialsRequest, PushTrialsResponse
from ashgrove.optimizer.v1.trial_pb2 import Trial
from google.rpc.status_pb2 import Status

from framework.engine import Call
from framework.resource import action
from framework.storage import Database
from services.optimizer.external.asking import GIVING, given_trials
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import LEASE_SECONDS, Turn
from services.optimizer.resources import ENDED, OptimizationRun
from services.optimizer.watched import Watched
from services.optimizer.watching import key_of

HEARTBEAT_SECONDS = 15.0
# What is due is due for certain when the wait is over.
_SLACK_SECONDS = 0.01
_VERB = "PushTrials"
_Frame = PushTrialsResponse
_RUN = """
SELECT status, limits, max_trials, space_extensions, completed_trials + failed_trials + dropped_trials AS finished
FROM optimization_runs WHERE organization_id = %(organization_id)s AND id = %(id)s
"""
_OPEN = """
SELECT client, count(*) AS count, count(*) FILTER (WHERE lease_until <= clock_timestamp()) AS ended,
       extract(epoch FROM min(lease_until) FILTER (WHERE lease_until > clock_timestamp()) - clock_timestamp())::float8
       AS seconds
FROM trials
WHERE organization_id = %(organization_id)s AND optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'
GROUP BY client
"""


@action(OptimizationRun, _VERB)
async def push(call: Call, request: PushTrialsRequest) -> AsyncIterator[_Frame]:
    """Yields a client's trials as they come, heartbeats meanwhile, and the end of the run; see `PushTrials`.

    Raises NotFound or NotPermitted as soon as the caller may no longer work at the run.
    """
    run = await key_of(call, request.id, _VERB)
    watched: Watched = call.application.watched
    pushing = _Pushing(request)
    async with watched.watching(call.engine, run) as heard:
        while True:
            heard.clear()  # what is told from here on is looked for again
            look = partial(_look, call.engine.database, run)
            view = await watched.together(("trials", run["organization_id"], run["id"]), look)
            if pushing.has_reason(view):
                item = await in_turn(call, request.id, _VERB, partial(pushing.turn, view))
                if pushing.is_news(item):
                    yield _Frame(item=item)
                if Run.Status.Name(item.standing.status) in ENDED:
                    yield _Frame(end=End(status=Status()))
                    return
            if pushing.is_silent():
                yield _Frame(heartbeat=Heartbeat())
            with suppress(TimeoutError):
                async with asyncio.timeout(pushing.due_in(view) + _SLACK_SECONDS):
                    await heard.wait()
            call.engine.revocations.check(call.context)


@dataclass(frozen=True)
class _View:
    """A run's row and its open trials by client, as one look sees them."""

    run: Mapping[str, Any]
    clients: Mapping[str, Mapping[str, Any]]

    @property
    def key(self) -> tuple[Any, ...]:
        """What is another when somebody might be given what there was not for them before."""
        open_count, ended = (sum(each[name] for each in self.clients.values()) for name in ("count", "ended"))
        return (*self.run.values(), open_count, ended)


class _Pushing:
    """What one stream has sent, and when it has to do something again."""

    def __init__(self, request: PushTrialsRequest) -> None:
        self._client, self._ahead = request.client, request.ahead or 1
        self._seconds = request.lease_seconds or LEASE_SECONDS
        self._sent: set[int] = set()
        self._seen: tuple[Any, ...] = ()
        self._standing: RunStanding | None = None
        self._spoken = time.monotonic()
        self._renewed = -1e9

    def has_reason(self, view: _View) -> bool:
        """Tells whether a turn is due: there may be a trial, the run may stand otherwise, or leases must be renewed.

        What clients at work do to a run without limits cannot matter to one that has all that it wants.
        """
        if time.monotonic() >= self._renewed + self._renew_after:
            return True
        if view.key == self._seen:
            return False
        mine = view.clients.get(self._client, {}).get("count", 0)
        return bool(mine < self._ahead or view.run["limits"] or view.run["status"] != "STATUS_RUNNING")

    async def turn(self, view: _View, at: Turn) -> PushedTrials:
        """Renews the client's leases, and returns what it has now and was not sent, with where the run stands."""
        own = [number for number, each in at.open.items() if each["client"] == self._client]
        self._sent &= set(own)  # one that it lost may come again
        # Those that the client asked for besides, and all of a run that rests.
        await at.take(self._client, own[self._ahead :] if at.status in GIVING else own, self._seconds)
        given = await given_trials(at, self._client, self._ahead, self._seconds)
        fresh = [trial for trial in given.trials if trial.number not in self._sent]
        self._seen, self._renewed = view.key, time.monotonic()
        return PushedTrials(trials=fresh, standing=given.standing)

    def is_news(self, item: PushedTrials) -> bool:
        """Notes what is going to be sent; tells whether there is anything that the client has not heard."""
        known, self._standing = self._standing, item.standing
        if not item.trials and known is not None and _orders(known) == _orders(item.standing):
            return False
        self._note(item.trials)
        return True

    def _note(self, trials: Iterable[Trial]) -> None:
        self._sent |= {trial.number for trial in trials}
        self._spoken = time.monotonic()

    def is_silent(self) -> bool:
        """Tells whether it is time for a sign of life, which is sent then."""
        silent = time.monotonic() - self._spoken > HEARTBEAT_SECONDS
        self._spoken = time.monotonic() if silent else self._spoken
        return silent

    @property
    def _renew_after(self) -> float:
        # Visibility and limits are looked at with every turn: not less often than there are heartbeats.
        return min(self._seconds / 3, HEARTBEAT_SECONDS)

    def due_in(self, view: _View) -> float:
        """Returns in how many seconds to look again if nothing is heard: also when a lease of others' ends."""
        due = min(self._spoken + HEARTBEAT_SECONDS, self._renewed + self._renew_after) - time.monotonic()
        ends = [each["seconds"] for name, each in view.clients.items() if name != self._client and each["seconds"]]
        return max(min(due, *ends) if ends else due, 0.0)


def _orders(standing: RunStanding) -> tuple[Any, ...]:
    """What of a standing tells a client what to do; counts it hears with the next trial."""
    return standing.status, standing.should_stop


async def _look(database: Database, run: Mapping[str, Any]) -> _View:
    async with database.tenant(run["organization_id"]) as tx:
        (row,) = await tx.fetch(_RUN, run)
        found = await tx.fetch(_OPEN, run)
    return _View(row, {each["client"]: each for each in found})
