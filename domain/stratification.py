"""How evenly the points of a design cover the variables in the end, after those that break constraints are skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.space import Space
from domain.values import Json


@dataclass(frozen=True, slots=True)
class Stratification:
    """Into how many equally likely parts a variable's distribution is cut, and how many of them hold a configuration.

    Only configurations that are points of the design, in which the variable is active, count.
    """

    variable: str
    strata: int
    hit: int


MOST_STRATA = 10_000_000
"""How many strata of all variables together are kept in mind; beyond it nothing is told."""


class Coverage:
    """Collects which strata of which variables are hit, configuration by configuration."""

    def __init__(self, space: Space, strata: int) -> None:
        self.names = space.names
        self.strata = strata if strata * len(self.names) <= MOST_STRATA else 0
        # What is computed has no distribution: its coordinate means nothing.
        self._hit: dict[str, set[int]] = {name: set() for name in self.names if name not in space.rules.derived}

    def add(self, values: Mapping[str, Json], point: Sequence[float] | None) -> None:
        """Count a configuration and the point that it is; none does not count."""
        if point is None or not self.strata:
            return
        for name, place in zip(self.names, point, strict=True):
            if name in values and name in self._hit:
                self._hit[name].add(int(place * self.strata))

    def realised(self) -> tuple[Stratification, ...]:
        """Return what is hit of every variable that is drawn, in order; nothing where there are no strata."""
        return tuple(Stratification(name, self.strata, len(hit)) for name, hit in self._hit.items() if self.strata)
