"""Objectives that only bound, such as the violation of a constraint: kept or not, and nothing to gain in."""

import pytest

from domain.objectives import Objective, dominates, goals, violation
from domain.pareto import Point, hypervolume, insert, pareto_front
from domain.seeds import suggestion_seed
from domain.space import FloatVariable, Space
from domain.strategies import Observation, Question
from domain.strategies.registry import STRATEGIES

LOSS = Objective("loss", "minimize")
BOUND = Objective("size", "minimize", threshold=0.0, only_bounds=True)
KEPT = Objective("size", "minimize", threshold=0.0, best=0.0)
SPACE = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1)))


def tried(count: int, by: float = 0.0) -> list[Observation]:
    """Returns trials, all of which keep the bound, by up to so much."""
    points = [((7 * n % 11) / 11, (5 * n % 13) / 13) for n in range(1, count + 1)]
    return [
        Observation(n, {"x": x, "y": y}, {"loss": (x - 0.3) ** 2 + y, "size": -by * x * y})
        for n, (x, y) in enumerate(points, 1)
    ]


def question(*objectives: Objective) -> Question:
    return Question(SPACE, objectives, tried(24), [], 25, suggestion_seed(3, 25), 3, 100)


def test_only_what_cannot_be_kept_by_more_only_bounds() -> None:
    """With room beyond the threshold more is better; where nothing else is wanted, bounds are the goals."""
    more = Objective("size", "minimize", threshold=0.0, best=-1.0)
    most = Objective("share", "maximize", threshold=1.0, best=1.0)
    assert [each.only_bounds for each in (LOSS, KEPT, more, most)] == [False, True, False, True]
    assert goals([LOSS, KEPT, BOUND, more]) == [LOSS, more] and goals([KEPT]) == [KEPT]
    with pytest.raises(ValueError, match="has a threshold"):
        Objective("size", only_bounds=True)


@pytest.mark.parametrize("bound", [BOUND, Objective("size", threshold=4.0, only_bounds=True)])
def test_by_how_much_a_bound_is_kept_is_known_and_no_gain(bound: Objective) -> None:
    """Excesses go below 0, as Optuna's constraints do; gains end at the threshold, and dominance knows gains only."""
    limit = bound.threshold or 0.0
    way = 1.0 if bound.rising else -1.0
    kept, more, missed = limit, limit + way * 2, limit - way * 2
    assert bound.excess(more) < bound.excess(kept) == 0 < bound.excess(missed)
    assert bound.gain(more) == bound.gain(kept) > bound.gain(missed)
    same = {"loss": 1.0}
    aims = (LOSS, bound)
    assert not dominates(same | {"size": more}, same | {"size": kept}, aims)
    assert dominates(same | {"size": kept}, same | {"size": missed}, aims)
    assert dominates({"loss": 0.5, "size": kept}, {"loss": 1.0, "size": more}, aims)


def test_violations_are_compared_as_optuna_compares_them() -> None:
    """The sum of what is above 0: slack in one constraint makes up for nothing in another."""
    bounds = [Objective(name, "minimize", threshold=0.0, only_bounds=True) for name in ("a", "b")]
    assert violation({"a": 1.5, "b": -9.0}, bounds) == 1.5 and violation({"a": 0.75, "b": 0.5}, bounds) == 1.25
    assert dominates({"a": 0.75, "b": 0.5}, {"a": 1.5, "b": -9.0}, bounds)


@pytest.mark.parametrize("strategy", ["bayesian", "gaussian_process"])
def test_a_bound_that_all_keep_changes_no_suggestion(strategy: str) -> None:
    """As if it were not asked for: it is no second objective to be weighed or ranked."""
    alone, bounded = (STRATEGIES[strategy].suggest(question(*each)) for each in ((LOSS,), (LOSS, KEPT)))
    assert bounded == alone


@pytest.mark.parametrize(("bound", "by"), [(KEPT, 0.0), (BOUND, 3.0)])
def test_the_front_is_that_of_the_goals(bound: Objective, by: float) -> None:
    """Front, its changes and its hypervolume: a bound needs no reference, and is no reason to be there."""
    trials = tried(24, by)
    aim = Objective("loss", "minimize", reference=2.0)
    fronts = [{each.number for each in pareto_front(trials, each)} for each in ([aim], [aim, bound])]
    assert fronts[0] == fronts[1]
    points = [Point(each.number, each.objectives or {}) for each in trials]
    front: tuple[Point, ...] = ()
    for point in points:
        front = insert(front, point, [aim, bound], 10).front
    assert {each.number for each in front} == fronts[0]
    assert hypervolume(points, [aim, bound]) == hypervolume(points, [aim])
