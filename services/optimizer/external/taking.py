"""Turns at external runs, one after another: those that wait together share a transaction and its commit."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from framework.engine import Call
from framework.engine.calls import LONGEST_SECONDS
from framework.engine.reading import identifier_of
from framework.errors import IllegalState, NotFound, NotPermitted
from framework.failpoints import Failpoint
from framework.resource import spec_of
from framework.storage import Transaction
from services.optimizer.external.turn import Clock, Turn
from services.optimizer.resources import OptimizationRun, is_external
from services.optimizer.story import topic
from services.optimizer.warm import WarmRuns

_LONG_SECONDS = 0.2
"""After how much work calls that wait together are no longer kept waiting for each other."""
WRITTEN = Failpoint("turn.written", "what clients told or asked for is written in a transaction that is not committed")
COMMITTED = Failpoint("turn.committed", "what clients told or asked for is committed, and none of them was answered")

# Behind the lock on the run's row, so that it reads what the turn before has left. The clock is read in any case.
_OPEN = """
SELECT trials.*, clock.began AS turn_began, clock.now AS turn_now, lease_until <= clock.now AS ended,
       extract(epoch FROM lease_until - clock.now)::float8 AS seconds
FROM (SELECT now() AS began, clock_timestamp() AS now) AS clock
LEFT JOIN trials
  ON organization_id = %(organization)s AND optimization_run_id = %(run)s AND status = 'STATUS_RUNNING'
ORDER BY number
"""
Act = Callable[[Turn], Awaitable[Any]]


@dataclass(frozen=True)
class _Asked:
    """What a client's call wants to do in its turn."""

    call: Call
    verb: str
    act: Act


async def in_turn(call: Call, identifier: str, verb: str, act: Act) -> Any:
    """Returns what `act` makes of the client's turn; raises NotFound, NotPermitted, or IllegalState for another's run.

    Turns at one run are taken one after another. Those that wait in this process are taken in one transaction and
    committed at once, each under its own client's name; one that fails leaves nothing, and the others are taken again.
    """
    uuid = identifier_of(spec_of(OptimizationRun), identifier)
    key = call.context.organization_id, uuid
    runs: WarmRuns = call.application.warm
    asked = _Asked(call, verb, act)
    answer = await runs.portions.served(key, asked, partial(_taken, runs, key))
    await call.followed()
    return answer


async def _taken(runs: WarmRuns, key: tuple[Any, UUID], portion: Sequence[_Asked]) -> list[Any]:
    """Takes turns in one transaction, as many as there is time for, or none.

    What a failed turn may have left in memory is forgotten: its transaction was undone.
    """
    first = portion[0].call
    try:
        async with first.database.tenant(key[0], LONGEST_SECONDS) as tx:
            answers, is_news = await _answers(tx, runs, key, portion)
            WRITTEN()
    except BaseException:
        runs.forget(key)
        raise
    COMMITTED()
    runs.trim()
    if is_news:
        if not first.engine.hints.alive:  # those who wait in this process need no broker to hear of it
            first.engine.hints.wake(topic(key[1]))
        first.engine.hints.soon(topic(key[1]))
    return answers


async def _answers(
    tx: Transaction, runs: WarmRuns, key: tuple[Any, UUID], portion: Sequence[_Asked]
) -> tuple[list[Any], bool]:
    """Returns the answers, and whether any of the turns brought news."""
    found, began = _Found({"organization": key[0], "run": key[1]}), time.monotonic()
    answers, turns = list[Any](), list[Turn]()
    for asked in portion:
        async with asked.call.within(tx):
            try:
                clock = await found.by(asked, tx)
            except (NotFound, NotPermitted, IllegalState) as refused:  # it holds nobody up who waits with it
                answers.append(refused)
                continue
            turns.append(Turn(asked.call, tx, asked.verb, found.row, found.open, runs, clock))
            answers.append(await asked.act(turns[-1]))
        if time.monotonic() - began > _LONG_SECONDS:
            break  # the first of them has waited for its answer long enough: the rest are the next portion
    return answers, any(each.is_news for each in turns)


class _Found:
    """The run as the turns of a portion find it: locked and read with the first of them, then kept by each."""

    def __init__(self, ids: Mapping[str, Any]) -> None:
        self.row: dict[str, Any] = {}
        self.open: dict[int, dict[str, Any]] = {}
        self._ids = ids
        self._clock: Clock | None = None
        self._permitted: set[Any] = set()

    async def by(self, asked: _Asked, tx: Transaction) -> Clock:
        """Looks whether a call may have a turn; raises NotFound, NotPermitted, or IllegalState for another's run."""
        if self._clock is not None and (asked.call.actor, asked.verb) in self._permitted:
            return self._clock
        row = await asked.call.ask_row(OptimizationRun, str(self._ids["run"]), asked.verb)
        opened = None if self._clock else await tx.leave(_OPEN, self._ids)
        self.row |= _external(await row())
        self._permitted.add((asked.call.actor, asked.verb))
        if opened is not None:
            trials = await tx.answer(opened)
            self.open |= {trial["number"]: trial for trial in trials if trial["number"] is not None}
            self._clock = Clock(trials[0]["turn_began"], trials[0]["turn_now"])
        assert self._clock is not None
        return self._clock


def _external(row: dict[str, Any]) -> dict[str, Any]:
    if not is_external(row):
        told = "this run is evaluated by the platform: create it with EVALUATOR_EXTERNAL to evaluate it yourself"
        raise IllegalState(told, evaluator=row["evaluator"])
    return row
