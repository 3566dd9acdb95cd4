"""Configurations made valid by small changes."""

from collections.abc import Mapping

from domain.drawing import completed
from domain.rules import Rules
from domain.seeds import Draw
from domain.space import Space
from domain.values import Json

REPAIRS = 256
"""How many changes are tried."""


def repaired(space: Space, values: dict[str, Json], source: Draw) -> dict[str, Json] | None:
    """Return values that break nothing; None when REPAIRS changes do not get there.

    Each change draws one variable that something broken depends on anew, and stays if no more is broken than before.
    """
    rules = space.rules
    faults = rules.broken(values)
    for _ in range(REPAIRS):
        if not faults:
            break
        _, names = faults[source.below(len(faults))]
        free = _free(rules, names, values)
        changed = completed(rules, source, values, [free[source.below(len(free))]] if free else [])
        remaining = rules.broken(changed)
        if len(remaining) <= len(faults):
            values, faults = changed, remaining
    return None if faults else space.ordered(values)


def _free(rules: Rules, names: frozenset[str], values: Mapping[str, Json]) -> list[str]:
    """Return the active variables among these names and those that decide about them, that are not computed."""
    known: set[str] = set()
    found = set(names)
    while found:
        known |= found
        found = set().union(*(rules.parents.get(name, ()) for name in found)) - known
    free = known & values.keys() - rules.derived.keys()
    return [variable.name for variable in rules.order if variable.name in free]
