"""Configurations made valid by small changes."""

from collections.abc import Mapping

from domain.judging import broken
from domain.seeds import Draw
from domain.space import Space
from domain.values import Json

REPAIRS = 256
"""How many changes are tried."""


def repaired(space: Space, values: dict[str, Json], source: Draw) -> dict[str, Json] | None:
    """Return values that break no constraint; None when REPAIRS changes do not get there.

    Each change draws one variable of a broken constraint anew, and stays if it breaks no more than before.
    """
    faults = broken(space.rules, values)
    for _ in range(REPAIRS):
        if not faults:
            break
        constraint = faults[source.below(len(faults))]
        names = _concerned(space, constraint.id, values)
        changed = settled(space, values, source, names[source.below(len(names))] if names else "")
        remaining = broken(space.rules, changed)
        if len(remaining) <= len(faults):
            values, faults = changed, remaining
    return None if faults else values


def settled(space: Space, values: Mapping[str, Json], source: Draw, anew: str = "") -> dict[str, Json]:
    """Return values with one variable drawn anew, children that became inactive left out and new ones drawn."""
    found: dict[str, Json] = {}
    for variable in space.rules.order:
        name = variable.name
        if space.is_active(name, found):
            found[name] = values[name] if name in values and name != anew else variable.draw(source)
    return space.ordered(found)


def _concerned(space: Space, constraint: str, values: Mapping[str, Json]) -> list[str]:
    """Return the active variables that a constraint reads, and those that make them active."""
    names: set[str] = set()
    found = {name for each, expression in space.rules.constraints if each.id == constraint for name in expression.names}
    while found:
        names |= found
        asked = (space.rules.conditions[name].names for name in found if name in space.rules.conditions)
        found = set().union(*asked) - names
    return [name for name in space.names if name in names and name in values]
