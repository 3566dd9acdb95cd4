"""One step from a value to another of the same variable: near ones are likelier, and every one can be reached."""

import math
from collections.abc import Sequence
from statistics import NormalDist

from domain.rules import Active
from domain.seeds import Draw
from domain.structured_variables import ComputedVariable, GroupVariable, HybridVariable
from domain.values import Json
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable

OTHER_BRANCH = 0.1
"""How likely a hybrid's step changes its choice rather than its number."""

_STANDARD = NormalDist()
_TRIES = 16


def can_step(variable: Active) -> bool:
    """Tell whether a variable has more than one value; groups are for `domain.moving` to look into."""
    if isinstance(variable, ComputedVariable | GroupVariable):
        return False
    if isinstance(variable, HybridVariable):
        return len(variable.branches) > 1 or can_step(variable.branches[0].range)
    return variable.cardinality != 1


def step(variable: Active, value: Json, source: Draw, scale: float) -> Json:
    """Return another value of a variable that has more than one; `scale` is the usual step's share of the range.

    Floats take a normal step, in the logarithm where the range is logarithmic, reflected at the ends; integers, grids
    and ordered choices a geometric number of places; other choices switch, as their weights say.
    """
    if isinstance(variable, HybridVariable):
        return _hybrid_step(variable, value, source, scale)
    assert not isinstance(variable, GroupVariable | ComputedVariable)
    if isinstance(variable, ChoiceVariable) and not variable.ordered:
        return _switched(variable, value, source)
    if isinstance(variable, BooleanVariable):
        return not value
    if isinstance(variable, FloatVariable) and variable.cardinality is None:
        return _float_step(variable, value, source, scale)
    return _place_step(variable, value, source, scale)


def _float_step(variable: FloatVariable, value: float, source: Draw, scale: float) -> float:
    for _ in range(_TRIES):
        if (found := _shifted(variable, value, source, scale)) != value:
            return found
    low, high = (variable.accept(end, variable.name) for end in (variable.low, variable.high))
    return low if value != low else high


def _shifted(variable: FloatVariable | IntegerVariable, value: float, source: Draw, scale: float) -> float:
    """Return the value moved by a normal step along its range, or along the logarithm of it."""
    low, high = float(variable.low), float(variable.high)
    if variable.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    place = (value - low) / (high - low) + scale * _STANDARD.inv_cdf(max(source.unit(), 2.0**-54))
    place = abs(place) % 2  # reflected at 0, and by the next line at 1
    place = 2 - place if place > 1 else place
    moved = low * (1 - place) + high * place
    moved = math.exp(moved) if variable.log else moved
    moved = min(max(moved, float(variable.low)), float(variable.high))
    return variable.accept(moved, variable.name) if isinstance(variable, FloatVariable) else moved


def _place_step(
    variable: FloatVariable | IntegerVariable | ChoiceVariable, value: Json, source: Draw, scale: float
) -> Json:
    count, at = variable.cardinality or 1, _index(variable, value)
    if not isinstance(variable, ChoiceVariable) and variable.log:
        place = variable.index(_shifted(variable, value, source, scale))
    else:
        # 1 and more places, the mean being `scale` of all of them.
        mean = max(1.0, scale * count)
        chance = max(source.unit(), 2.0**-54)
        places = 1 if mean == 1.0 else 1 + int(math.log(chance) / math.log1p(-1 / mean))
        place = _reflected(at + places * (1 if source.below(2) else -1), count)
    if place == at:
        place = _reflected(at + (1 if source.below(2) else -1), count)
    return variable.at(place)


def _reflected(place: int, count: int) -> int:
    round_trip = 2 * (count - 1)
    place = place % round_trip
    return round_trip - place if place >= count else place


def _index(variable: FloatVariable | IntegerVariable | ChoiceVariable, value: Json) -> int:
    try:
        return variable.index(value)
    except KeyError:  # a custom choice is nowhere in the list
        return 0


def _switched(variable: ChoiceVariable, value: Json, source: Draw) -> Json:
    try:
        own = variable.index(value)
    except KeyError:
        return variable.draw(source)
    others = [index for index in range(variable.cardinality) if index != own]
    weights = [variable.weights[index] if variable.weights else 1.0 for index in others]
    return variable.at(others[_weighed(weights, source)])


def _weighed(weights: Sequence[float], source: Draw) -> int:
    left = source.unit() * math.fsum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return len(weights) - 1


def _hybrid_step(variable: HybridVariable, value: Json, source: Draw, scale: float) -> Json:
    chosen = variable.range_of(value["choice"])
    if not can_step(chosen) or (len(variable.branches) > 1 and source.unit() < OTHER_BRANCH):
        choice = _switched(variable.choice, value["choice"], source)
        return {"choice": choice, "number": variable.range_of(choice).draw(source)}
    return {"choice": value["choice"], "number": step(chosen, value["number"], source, scale)}
