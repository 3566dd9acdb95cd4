"""Trials that wait for a model: each is tried again, ever later, while others go on."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.optimizer.outcomes import Outcome

MOST_WAITING = 4
"""How many trials of a run may wait while others begin, or twice as many as run at a time."""
MOST_TRIES = 8
"""How often in a row a trial may wait in vain while others go on, before it fails."""
RETRY_SECONDS, LONGEST_RETRY_SECONDS = 2.0, 60.0
_A_MOMENT = 0.05


class NoneCanGoOn(Exception):  # noqa: N818 - what happened
    """Every trial that there may be waits for a model; the message says for which."""


@dataclass
class _Waiter:
    trial: dict[str, Any]
    cause: str
    until: float


class WaitingRoom:
    """The trials of one run that wait; what it forgets with its worker is only how long they have."""

    def __init__(self, parallelism: int) -> None:
        self._most = max(MOST_WAITING, 2 * parallelism)
        self._waiters: dict[int, _Waiter] = {}
        self._tries: dict[int, tuple[int, int]] = {}
        """How often in a row a trial came back without having finished more examples, and how many it had."""

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def is_full(self) -> bool:
        """Whether so many wait that no other is begun."""
        return len(self._waiters) >= self._most

    @property
    def cause(self) -> str:
        """For which model the first one waits."""
        return next(iter(self._waiters.values())).cause

    @property
    def seconds_left(self) -> float | None:
        """In how many seconds one is to be tried again; None when none waits."""
        soonest = min((each.until for each in self._waiters.values()), default=None)
        return None if soonest is None else max(soonest - time.monotonic(), _A_MOMENT)

    def enter(self, trial: Mapping[str, Any], outcome: Outcome) -> bool:
        """Lets a trial wait, with what it has finished; returns False when it has waited in vain too often."""
        number, finished = trial["number"], outcome.finished_count
        tries, before = self._tries.get(number, (0, finished))
        tries = tries + 1 if finished == before else 1
        self._tries[number] = tries, finished
        if tries > MOST_TRIES:
            return False
        usage = outcome.usage
        kept = {"finished_count": finished, "tokens": usage.tokens, "cost_micros": usage.cost_micros}
        kept["example_count"] = outcome.example_count
        until = time.monotonic() + min(RETRY_SECONDS * 2 ** (tries - 1), LONGEST_RETRY_SECONDS)
        self._waiters[number] = _Waiter({**trial, **kept}, outcome.waits_for, until)
        return True

    def called(self, places: int) -> list[dict[str, Any]]:
        """Returns so many at most of those that have waited long enough: they wait no more."""
        now = time.monotonic()
        due = [number for number, each in sorted(self._waiters.items()) if each.until <= now]
        return [self._waiters.pop(number).trial for number in due[: max(places, 0)]]

    def emptied(self) -> list[dict[str, Any]]:
        """Returns all of them: they wait no more."""
        left, self._waiters = [each.trial for each in self._waiters.values()], {}
        return left
