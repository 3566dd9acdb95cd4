"""What this process remembers of external runs: all of it can be dropped, and is read again with the same answers."""

import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Mapping, Set
from functools import cached_property
from operator import attrgetter
from typing import Any

from domain.enumeration import every_configuration
from domain.space import Space
from domain.strategies import Observation
from domain.values import content_hash
from framework.storage import Transaction
from services.optimizer.as_left import AsLeft
from services.optimizer.portions import Portions
from services.optimizer.results import Results
from services.optimizer.suggesting import Suggesting, budget_of, observed

RUNS = 64
OBSERVATIONS = 100_000
"""How many finished trials are remembered of all runs together: some hundred megabytes at worst."""
MOST_PERMITTED = 256
READ_SECONDS = 10.0
"""For how long turns read a run that another process was found to have turns at."""

# The trials are numbered as they finish, with the run's row locked: none can come in below what was read.
_FINISHED = """
SELECT number, configuration, content_hash, status, objectives, infeasible, finish_number FROM trials
WHERE organization_id = %(organization_id)s AND optimization_run_id = %(id)s AND finish_number > %(known)s
ORDER BY finish_number
"""


class Warm:
    """One run: its space, its sampler, its front, and its finished trials up to a watermark."""

    def __init__(self, row: Mapping[str, Any], space: Space) -> None:
        self.row = row
        self.space = space
        self.extensions = row["space_extensions"]
        self.suggesting = Suggesting(row)
        self.results = Results(row)
        self.finished: list[Observation] = []
        """The finished trials, by number."""
        self.tried: dict[str, int] = {}
        """The finished trials whose end is known for good, by what they tried: others need not try it again."""
        self.watermark = 0
        self.warned: set[str] = set()
        """The limits that this process knows to be warned of, as they are in the row that it was made of."""
        self.left: AsLeft | None = None
        """How this process's last turn left it; None where the next one has to read it."""
        self.permitted: set[Any] = set()
        """Who was found to be allowed what at it: turns of others read, to tell them what they may not."""
        self.read_until = 0.0
        """Until when, by the monotonic clock, each turn reads it: somebody else has turns at it, too."""

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Tells whether the run is still the one that this was made of: neither space nor limits were extended."""
        same_limits = self.row["limits"] == row["limits"]
        return bool(
            self.extensions == row["space_extensions"] and self.suggesting.budget == budget_of(row) and same_limits
        )

    def mistook(self) -> None:
        """Forgets what a turn that took the run for what it was no more may have noted: it has read nothing."""
        self.results, self.warned = Results(self.row), set()
        self.left, self.read_until = None, time.monotonic() + READ_SECONDS

    def leave(self, left: AsLeft, permitted: Set[Any]) -> None:
        """Remembers how a turn has left it, and who was found to be allowed what; not where others have turns, too."""
        if left.is_small and time.monotonic() >= self.read_until:
            self.left = left
        if len(self.permitted) > MOST_PERMITTED:
            self.permitted.clear()
        self.permitted |= permitted

    @property
    def looks_back(self) -> bool:
        """Whether what has finished matters to what is tried next: where it informs it, or may come again."""
        return self.suggesting.strategy.learns or not self.space.size().is_infinite

    @cached_property
    def points(self) -> frozenset[str] | None:
        """The hashes of all that can be tried; None where that is too much to say."""
        every = every_configuration(self.space)
        return None if every is None else frozenset(map(content_hash, every))

    async def learn(self, tx: Transaction, count: int) -> None:
        """Reads the trials that have finished since the last look, when `count` have by now."""
        if self.watermark >= count:
            return
        ids = {"organization_id": self.row["organization_id"], "id": self.row["id"], "known": self.watermark}
        for trial in await tx.fetch(_FINISHED, ids):
            insort(self.finished, observed(trial), key=attrgetter("number"))
            if trial["status"] == "STATUS_COMPLETED" or trial["infeasible"]:
                self.tried.setdefault(trial["content_hash"], trial["number"])
            self.watermark = trial["finish_number"]


class WarmRuns:
    """The runs asked about most recently; what is beyond the bounds is forgotten."""

    def __init__(self, runs: int = RUNS, observations: int = OBSERVATIONS) -> None:
        self._bounds = runs, observations
        self._known: OrderedDict[Any, Warm] = OrderedDict()
        self.portions = Portions[Any]()
        """The calls that wait for their turn at a run: not with a connection of the database each."""

    def get(self, key: Any) -> Warm | None:
        """Returns what is remembered of a run."""
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def keep(self, key: Any, warm: Warm) -> None:
        """Remembers a run."""
        self._known[key] = warm

    def forget(self, key: Any) -> None:
        """Forgets a run; it is read again when it is asked about."""
        self._known.pop(key, None)

    def trim(self) -> None:
        """Forgets what is beyond the bounds, the runs first that nobody has asked about for longest."""
        runs, observations = self._bounds
        while len(self._known) > runs or sum(len(each.finished) for each in self._known.values()) > observations:
            self._known.popitem(last=False)
