"""What a run tries next: what had failed before a retry, then new configurations; written down before it is used."""

from collections.abc import Mapping
from typing import Any

from domain.space import Space
from domain.strategies import Observation
from framework.failpoints import Failpoint
from services.optimizer.ledger import Ledger
from services.optimizer.origins import COPIED, Origin, batch_before, to_retry
from services.optimizer.suggesting import Suggesting, again
from services.optimizer.tried import Tried

SUGGESTED = Failpoint("trial.suggested", "a configuration is chosen, and not written down")
Row = dict[str, Any]


class Choosing:
    """Chooses the trials of one run, one after the other, by what it has tried."""

    def __init__(self, ledger: Ledger, row: Row, tried: Tried) -> None:
        self.ledger = ledger
        self.row = row
        self.tried = tried
        self.suggesting = Suggesting(row)
        self.synchronous = row["schedule"] == "SCHEDULE_SYNCHRONOUS"

    @property
    def is_done(self) -> bool:
        """Whether there is no other trial to begin."""
        return self.tried.planned >= self.row["max_trials"] and self._failed() is None

    async def next(self, space: Space) -> Row | None:
        """Returns the next trial, written down; None behind the last one.

        Raises Exhausted where the strategy has no other, Unsatisfied where none was found.
        """
        if self.is_done:
            return None
        failed = self._failed()
        trial = await self.suggested(space) if failed is None else await self._again(failed)
        self.tried.begun(trial)
        return trial

    async def suggested(self, space: Space) -> Row:
        """Chooses the next configuration and writes it down with what informed it, before it is used."""
        finished, pending = self._informing()
        number, waiting = len(self.tried) + 1, [t["configuration"] for t in pending]
        suggestion = await self.suggesting.next(space, number, finished, waiting)
        SUGGESTED()
        informed = len(finished), [t["number"] for t in pending]
        if self.row["repeats"] is not None:
            return await self.ledger.begin(suggestion, *informed, self.tried.repeated(suggestion.content_hash))
        if (same := self.tried.original(suggestion.content_hash)) is not None:
            origin = Origin(COPIED, same["number"], same["evaluation_id"])
            return await self.ledger.begin(suggestion, *informed, origin)
        return await self.ledger.begin(suggestion, *informed)

    def _failed(self) -> Mapping[str, Any] | None:
        """Returns the next of those that had failed when the run was retried."""
        return to_retry(self.tried.rows, self.row["retried_trials"])

    async def _again(self, failed: Mapping[str, Any]) -> Row:
        origin = Origin("ORIGIN_RETRIED", failed["number"], repeat=failed["repeat"])
        informed = failed["informed_count"], failed["pending_then"] or []
        return await self.ledger.begin(again(failed, len(self.tried) + 1), *informed, origin)

    def _informing(self) -> tuple[list[Observation], list[Row]]:
        """Returns the finished and the pending trials that a suggestion may know of; whole batches when synchronous."""
        if self.synchronous:
            number, inherited = len(self.tried) + 1, self.row["inherited_trials"]
            return self.tried.until(batch_before(number, self.row["parallelism"], inherited))
        return list(self.tried.finished), list(self.tried.open.values())
