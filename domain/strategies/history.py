"""The part of a long history that is worth learning from."""

from collections.abc import Sequence
from operator import attrgetter

from domain.objectives import Objective, is_scored, standing
from domain.pareto import pareto_front
from domain.strategies.strategy import Observation

BEST = 250
LATEST = 750

_number = attrgetter("number")


def bounded(finished: Sequence[Observation], objectives: Sequence[Objective]) -> list[Observation]:
    """Return the scored trials by number: the best 250 and the latest 750 of them where there are more.

    Best means the Pareto front first, then the least violation, then the first objective, the older of equals.
    """
    scored = sorted((each for each in finished if is_scored(each, objectives)), key=_number)
    if len(scored) <= BEST + LATEST:
        return scored
    older, latest = scored[:-LATEST], scored[-LATEST:]
    front = {each.number for each in pareto_front(older, objectives)} if len(objectives) > 1 else set()
    # Stable sorts: the older of equals stays first, and the front, moved ahead, stays ordered within.
    ranked = sorted(older, key=lambda each: standing(each.objectives or {}, objectives))
    if front:
        ranked.sort(key=lambda each: each.number not in front)
    return sorted(ranked[:BEST], key=_number) + latest
