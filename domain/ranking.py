"""Which trials are better, where there are several objectives: fronts behind fronts, the lonelier first within one."""

from collections.abc import Sequence

import numpy as np

from domain.objectives import Objective, S, is_feasible, is_scored, violation
from domain.pareto import crowding, gain_matrix
from domain.undominated import undominated


def fittest(trials: Sequence[S], objectives: Sequence[Objective], count: int) -> list[S]:
    """Return up to `count` scored trials, the best first, as NSGA-II selects them (Deb et al., 2002).

    Feasible ones by fronts, the first being what none dominates, and by crowding distance within a front; then the
    infeasible ones by violation. Of equals the one that comes first.
    """
    scored = [each for each in trials if is_scored(each, objectives)]
    sound = [each for each in scored if is_feasible(each.objectives or {}, objectives)]
    chosen: list[S] = []
    while sound and len(chosen) < count:
        stands = undominated(gain_matrix(sound, objectives)).tolist()
        front = [each for each, is_in in zip(sound, stands, strict=True) if is_in]
        sound = [each for each, is_in in zip(sound, stands, strict=True) if not is_in]
        chosen += _lonelier_first(front, objectives)
    if len(chosen) < count:
        broken = [each for each in scored if not is_feasible(each.objectives or {}, objectives)]
        chosen += sorted(broken, key=lambda each: violation(each.objectives or {}, objectives))
    return chosen[:count]


def _lonelier_first(front: Sequence[S], objectives: Sequence[Objective]) -> list[S]:
    distances = np.array(crowding(front, objectives))
    return [front[index] for index in np.argsort(-distances, kind="stable")]
