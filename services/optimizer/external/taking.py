"""Turns at external runs, one after another: those that wait together share a transaction and its commit."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from framework.engine import Call
from framework.engine.calls import LONGEST_SECONDS
from framework.engine.reading import identifier_of, require
from framework.errors import Failure, IllegalState, NotFound, NotPermitted
from framework.failpoints import Failpoint
from framework.resource import spec_of
from framework.storage import Transaction, Unmet
from services.optimizer.as_left import AsLeft, Clock
from services.optimizer.external.turn import Turn
from services.optimizer.resources import OptimizationRun, is_external
from services.optimizer.story import topic
from services.optimizer.warm import WarmRuns

_LONG_SECONDS = 0.2
"""After how much work calls that wait together are no longer kept waiting for each other."""
_FORESEEN = ("SuggestTrials", "CompleteTrials", "PushTrials", "RenewTrials")
"""The verbs whose turns know all that they write."""
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

    @property
    def asker(self) -> Any:
        """Who wants to do what: it is looked up once for all who are alike."""
        return self.call.actor, self.verb


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

    A run that this process remembers is read only where it was mistaken about it, and before anybody is refused.
    """
    warm = runs.get(key)
    left = warm.left if warm is not None else None
    if warm is not None and left is not None:
        warm.left = None  # until it is known that the transaction is committed
        if left.is_fresh and warm.permitted.issuperset(each.asker for each in portion):
            try:
                return await _together(runs, portion, _Found(key, left))
            except Unmet:
                warm.mistook()
            except Failure:
                pass  # nobody is refused by what may be out of date: it was not waited for whether it is
    return await _together(runs, portion, _Found(key))


async def _together(runs: WarmRuns, portion: Sequence[_Asked], found: "_Found") -> list[Any]:
    """Takes turns in one transaction; what a failed one may have left in memory is forgotten, as it was undone.

    Raises Unmet where the run was changed since it was left: then nothing was read or done.
    """
    first, key = portion[0].call, found.key
    try:
        async with first.database.tenant(key[0], LONGEST_SECONDS) as tx:
            answers, turns = await _answers(tx, runs, found, portion)
            WRITTEN()
    except Unmet:
        raise
    except BaseException:
        runs.forget(key)
        raise
    COMMITTED()
    _leave(runs, found, turns)
    runs.trim()
    if any(each.is_news for each in turns):
        if not first.engine.hints.alive:  # those who wait in this process need no broker to hear of it
            first.engine.hints.wake(topic(key[1]))
        first.engine.hints.soon(topic(key[1]))
    return answers


async def _answers(
    tx: Transaction, runs: WarmRuns, found: "_Found", portion: Sequence[_Asked]
) -> tuple[list[Any], list[Turn]]:
    """Returns the answers, and the turns that were taken."""
    began, answers, turns = time.monotonic(), list[Any](), list[Turn]()
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
    return answers, turns


def _leave(runs: WarmRuns, found: "_Found", turns: Sequence[Turn]) -> None:
    """Remembers a run as these turns have left it, where all that they do is known to be in what they had in hand."""
    warm = runs.get(found.key)
    if warm is not None and found.left and all(each.is_foreseen and each.verb in _FORESEEN for each in turns):
        warm.leave(found.left, found.permitted)


class _Found:
    """The run as the turns of a portion find it: locked with the first of them, then kept by each.

    It is read then, or is as it was `left`.
    """

    def __init__(self, key: tuple[Any, UUID], left: AsLeft | None = None) -> None:
        self.key, self.left = key, left
        self.row = left.row if left else {}
        self.open = left.open if left else {}
        self._trusts = left is not None
        self._clock: Clock | None = None
        self.permitted: set[Any] = set()

    async def by(self, asked: _Asked, tx: Transaction) -> Clock:
        """Looks whether a call may have a turn; raises NotFound, NotPermitted, or IllegalState for another's run."""
        if self._clock is None or asked.asker not in self.permitted:
            await (self._require(asked, tx) if self._trusts else self._read(asked, tx))
            self.permitted.add(asked.asker)
        assert self._clock is not None
        return self._clock

    async def _require(self, asked: _Asked, tx: Transaction) -> None:
        assert self.left is not None
        run, context = str(self.key[1]), asked.call.context
        await require(tx, spec_of(OptimizationRun), context, run, asked.verb, self.left.versions)
        self._clock = self._clock or await self.left.require(tx)

    async def _read(self, asked: _Asked, tx: Transaction) -> None:
        row = await asked.call.ask_row(OptimizationRun, str(self.key[1]), asked.verb)
        ids = {"organization": self.key[0], "run": self.key[1]}
        opened = None if self._clock else await tx.leave(_OPEN, ids)
        self.row |= _external(await row())
        if opened is not None:
            trials = await tx.answer(opened)
            self.open |= {trial["number"]: trial for trial in trials if trial["number"] is not None}
            self._clock = Clock(trials[0]["turn_began"], trials[0]["turn_now"])
            self.left = AsLeft(self.row, self.open, self._clock)


def _external(row: dict[str, Any]) -> dict[str, Any]:
    if not is_external(row):
        told = "this run is evaluated by the platform: create it with EVALUATOR_EXTERNAL to evaluate it yourself"
        raise IllegalState(told, evaluator=row["evaluator"])
    return row
