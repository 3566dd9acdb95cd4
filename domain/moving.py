"""New configurations from old ones: one perturbed, two crossed. Shared by every strategy that searches nearby."""

from collections.abc import Mapping

from domain.drawing import completed
from domain.repairing import repaired
from domain.rules import Active, Rules
from domain.sampling import Unsatisfied, random_configuration
from domain.seeds import Draw
from domain.space import Space
from domain.steps import can_step, step
from domain.structured_variables import GroupVariable
from domain.values import Json, canonical_json

ATTEMPTS = 64
"""How often a step is tried before what it broke is repaired."""

DRAWS = 3
"""How many draws may stand in for a step that could not be repaired."""


def perturbed(space: Space, values: Mapping[str, Json], source: Draw, scale: float = 0.1) -> dict[str, Json]:
    """Return a valid configuration near a valid one, and different from it in a variable that can be chosen.

    One variable takes a step, and each other one does with a chance of one in so many; `scale` is the usual step's
    share of a range. Children that a step leaves inactive go, new ones are drawn, computed values follow. The result
    depends on the arguments alone, and every configuration can be reached in finitely many steps. Where constraints
    leave nothing else within that effort, the configuration itself is returned.
    """
    before = canonical_json(dict(values))
    candidate: dict[str, Json] | None = None
    for _ in range(ATTEMPTS):
        candidate = _moved(space.rules, values, source, scale)
        if not space.rules.broken(candidate) and canonical_json(candidate) != before:
            return space.ordered(candidate)
    for attempt in range(1 + DRAWS):
        found = repaired(space, candidate or dict(values), source) if not attempt else _drawn(space, source)
        if found is not None and canonical_json(found) != before:
            return found
    return dict(values)


def crossed(space: Space, one: Mapping[str, Json], two: Mapping[str, Json], source: Draw) -> dict[str, Json]:
    """Return a valid configuration that takes each value from one of two valid ones, by the toss of a coin.

    A variable that only one of them has comes from that one; children that become active and that neither has are
    drawn, computed values follow. Where constraints refuse ATTEMPTS mixtures the last is repaired, else `one` returned.
    """
    mixed = dict(one)
    for _ in range(ATTEMPTS):
        tossed = {name: (one if source.below(2) else two) for name in space.names}
        given = {name: of[name] for name, of in tossed.items() if name in of}
        given |= {name: other[name] for other in (one, two) for name in other if name not in given}
        mixed = completed(space.rules, source, given)
        if not space.rules.broken(mixed):
            return space.ordered(mixed)
    found = repaired(space, mixed, source)
    return dict(one) if found is None else found


def _moved(rules: Rules, values: Mapping[str, Json], source: Draw, scale: float) -> dict[str, Json]:
    """Return values of which at least one that can be chosen has stepped, completed."""
    active = [found for each in rules.order if (found := rules.active(each, values)) is not None]
    movable = [each for each in active if each.name in values and _can_move(each, values[each.name])]
    if not movable:
        return dict(values)
    first = source.below(len(movable))
    chosen = [each for index, each in enumerate(movable) if index == first or source.below(len(movable)) == 0]
    given = dict(values)
    for each in chosen:
        if isinstance(each, GroupVariable):
            given[each.name] = each.inner.ordered(_moved(each.inner.rules, values[each.name], source, scale))
        else:
            given[each.name] = step(each, values[each.name], source, scale)
    # A conditional variable steps within its branch: where a parent's step changes that, what it had does not fit.
    return completed(rules, source, given)


def _can_move(variable: Active, value: Json) -> bool:
    if isinstance(variable, GroupVariable):
        rules = variable.inner.rules
        active = [found for each in rules.order if (found := rules.active(each, value)) is not None]
        return any(_can_move(each, value[each.name]) for each in active if each.name in value)
    return can_step(variable)


def _drawn(space: Space, source: Draw) -> dict[str, Json] | None:
    try:
        return random_configuration(space, source.below(2**63), 0)
    except Unsatisfied:
        return None
