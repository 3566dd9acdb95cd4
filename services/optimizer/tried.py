"""What a run's worker knows of its trials: read once, then kept with each of its writes, since nobody else's count."""

from bisect import insort
from collections import defaultdict
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from domain.strategies import Observation
from services.optimizer.origins import STANDING, Origin, is_planned
from services.optimizer.suggesting import observed

FINISHED = ("STATUS_COMPLETED", "STATUS_FAILED", "STATUS_DROPPED")
Row = dict[str, Any]


class Tried:
    """The trials of one run, by number from 1."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.rows: list[Row] = []
        self.open: dict[int, Row] = {}
        """Those that run."""
        self.finished: list[Observation] = []
        """Those that have come to their ends, as strategies see them: each the same one at every suggestion."""
        self.planned = 0
        """How many count against the run's limit of trials."""
        self._alike: dict[str, list[int]] = defaultdict(list)
        for row in rows:
            self.begun(row)

    def __len__(self) -> int:
        return len(self.rows)

    def begun(self, row: Row) -> None:
        """Adds the next trial."""
        self.rows.append(row)
        self.planned += is_planned(row)
        self._alike[row["content_hash"]].append(row["number"])
        self._sort(row)

    def ended(self, row: Row) -> None:
        """Notes that a trial has ended."""
        self.rows[row["number"] - 1] = row
        del self.open[row["number"]]
        self._sort(row)

    def original(self, content_hash: str) -> Row | None:
        """Returns the trial that has tried a configuration already, or is trying it; None where there is none."""
        alike = (self.rows[number - 1] for number in self._alike.get(content_hash, ()))
        return next((each for each in alike if each["status"] in STANDING), None)

    def repeated(self, content_hash: str) -> Origin:
        """Returns the origin of a trial that is evaluated for itself, however often its configuration was."""
        alike = self._alike.get(content_hash, ())
        return Origin("ORIGIN_SUGGESTED", alike[0] if alike else 0, repeat=len(alike))

    def until(self, number: int) -> tuple[list[Observation], list[Row]]:
        """Returns what had finished of the trials up to a number, and all trials behind it."""
        return [each for each in self.finished if each.number <= number], self.rows[number:]

    def _sort(self, row: Row) -> None:
        if row["status"] == "STATUS_RUNNING":
            self.open[row["number"]] = row
        elif row["status"] in FINISHED:
            insort(self.finished, observed(row), key=attrgetter("number"))
