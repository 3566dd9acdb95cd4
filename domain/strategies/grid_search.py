"""The grid as a strategy: every combination once, in the grid's order; the run is complete when there is no other."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from operator import attrgetter
from typing import ClassVar

from domain.grid import Levels, grid_place, grid_points
from domain.sampling import random_configuration
from domain.strategies.strategy import Exhausted, Question
from domain.values import Json

_number = attrgetter("number")
LEVELS = 5
"""How many values of a continuous variable are tried unless a run says otherwise."""

MOST_LOOKED = 50_000
"""How many combinations in a row may break constraints before the rest is given up: some seconds' work."""


@dataclass(frozen=True)
class GridStrategy:
    """Goes on behind the last point that was tried: there is no place to keep, and none to lose."""

    learns: ClassVar[bool] = True

    levels: int = LEVELS
    of: Mapping[str, int] = field(default_factory=dict)
    """How many values single continuous variables have instead, by key."""

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return the next point that keeps the constraints; raises Exhausted behind the last, Unsatisfied."""
        space, levels = question.space, Levels(question.space, self.levels, self.of)
        # Points are given out in their order, so that the newest of the finished ones is behind all of them.
        newest = [each.values for each in sorted(question.finished, key=_number)[-1:]]
        places = (grid_place(space, levels, values) for values in [*newest, *question.pending])
        begin = max((place for place in places if place is not None), default=-1) + 1
        for _, values in islice(grid_points(space, levels, begin), MOST_LOOKED):
            if values is not None:
                return values
        random_configuration(space, question.seed, 0)  # whether there is anything else to find: raises Unsatisfied
        raise Exhausted
