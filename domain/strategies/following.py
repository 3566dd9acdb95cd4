"""What is new in a history since it was looked at last: without a look at each of ten thousand trials."""

from collections.abc import Mapping, Sequence
from operator import is_

from domain.strategies.strategy import Observation, Question
from domain.values import Json

_BACK = (0, 64, 1024)
"""How far behind the end trials come in that finished out of their order: nearly always not at all."""


class Followed:
    """Follows the history of one run, which grows and is ordered by number."""

    def __init__(self) -> None:
        self._last: list[Observation] = []
        self._known: dict[int, Observation] = {}

    def fresh(self, finished: Sequence[Observation]) -> tuple[list[Observation], bool]:
        """Return the trials that are new, and whether all are, because something else was known before."""
        now = list(finished)
        same = self._same(now)
        fresh = [each for each in now[same:] if self._known.get(each.number) is not each]
        self._last = now
        if len(self._known) + len(fresh) != len(now):
            self._known = {each.number: each for each in now}
            return now, True
        self._known |= {each.number: each for each in fresh}
        return fresh, False

    def _same(self, now: list[Observation]) -> int:
        """Return how many trials at the beginning are the same; lists of the same things compare at once."""
        for back in _BACK:
            size = len(self._last) - back
            if 0 < size <= len(now) and all(map(is_, self._last[:size], now)):
                return size
        return 0


class Tried:
    """The configurations of a run's finished trials."""

    def __init__(self) -> None:
        self._followed = Followed()
        self._values: list[Mapping[str, Json]] = []

    def of(self, question: Question) -> list[Mapping[str, Json]]:
        """Return every configuration that was tried or is being tried, in no order."""
        fresh, anew = self._followed.fresh(question.finished)
        self._values = [] if anew else self._values
        self._values.extend(each.values for each in fresh)
        return [*self._values, *question.pending]
