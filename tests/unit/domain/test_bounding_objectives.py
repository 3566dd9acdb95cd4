"""Objectives that only bound, such as the violation of a constraint: kept or not, and nothing to gain in."""

import pytest

from domain.objectives import Objective, goals
from domain.pareto import pareto_front
from domain.seeds import suggestion_seed
from domain.space import FloatVariable, Space
from domain.strategies import Observation, Question
from domain.strategies.registry import STRATEGIES

LOSS = Objective("loss", "minimize")
KEPT = Objective("size", "minimize", threshold=0.0, best=0.0)
SPACE = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1)))


def tried(count: int) -> list[Observation]:
    """Returns trials, all of which keep the bound."""
    points = [((7 * n % 11) / 11, (5 * n % 13) / 13) for n in range(1, count + 1)]
    return [
        Observation(n, {"x": x, "y": y}, {"loss": (x - 0.3) ** 2 + y, "size": 0.0})
        for n, (x, y) in enumerate(points, 1)
    ]


def question(*objectives: Objective) -> Question:
    return Question(SPACE, objectives, tried(24), [], 25, suggestion_seed(3, 25), 3, 100)


def test_only_what_cannot_be_kept_by_more_only_bounds() -> None:
    """With room beyond the threshold more is better; where nothing else is wanted, bounds are the goals."""
    more = Objective("size", "minimize", threshold=0.0, best=-1.0)
    most = Objective("share", "maximize", threshold=1.0, best=1.0)
    assert [each.only_bounds for each in (LOSS, KEPT, more, most)] == [False, True, False, True]
    assert goals([LOSS, KEPT, more]) == [LOSS, more] and goals([KEPT]) == [KEPT]


@pytest.mark.parametrize("strategy", ["bayesian", "gaussian_process"])
def test_a_bound_that_all_keep_changes_no_suggestion(strategy: str) -> None:
    """As if it were not asked for: it is no second objective to be weighed or ranked."""
    alone, bounded = (STRATEGIES[strategy].suggest(question(*each)) for each in ((LOSS,), (LOSS, KEPT)))
    assert bounded == alone


def test_the_front_is_that_of_the_goals() -> None:
    trials = tried(24)
    fronts = [{each.number for each in pareto_front(trials, each)} for each in ([LOSS], [LOSS, KEPT])]
    assert fronts[0] == fronts[1]
