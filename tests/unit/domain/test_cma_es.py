"""CMA-ES: what it can search, that its state follows from the rows, and that it descends."""

import random
from collections.abc import Mapping
from typing import Any

from domain.objectives import Objective
from domain.sampling import random_configurations
from domain.seeds import suggestion_seed
from domain.space import BooleanVariable, FloatVariable, IntegerVariable, Space
from domain.strategies import Observation, Question
from domain.strategies.cma_es import CmaEsStrategy, refusal
from domain.strategies.random import RandomStrategy
from domain.strategies.strategy import Strategy

LOSS = (Objective("loss", "minimize"),)
SPACE = Space((FloatVariable("x", -5, 5), FloatVariable("y", -5, 5), IntegerVariable("k", 0, 12)))


def loss(values: Mapping[str, Any]) -> float:
    """Return a long, bent valley's height: what a step along one variable alone does not descend."""
    along, across = values["x"] + values["y"] - 1, values["x"] - values["y"] + 2
    return float(along**2 + 25 * across**2 + (values["k"] - 9) ** 2)


def run(strategy: Strategy, seed: int, count: int = 120) -> list[Observation]:
    rows: list[Observation] = []
    for number in range(1, count + 1):
        values = strategy.suggest(Question(SPACE, LOSS, rows, [], number, suggestion_seed(seed, number), seed, count))
        rows.append(Observation(number, values, {"loss": loss(values)}))
    return rows


def test_it_searches_numbers_for_one_objective() -> None:
    """And says so where there is something else."""
    assert refusal(SPACE, LOSS) == ""
    assert "one objective" in refusal(SPACE, (*LOSS, Objective("cost")))
    for other in (BooleanVariable("b"), FloatVariable("z", 0, 1, when="x > 0")):
        assert "numbers without conditions" in refusal(Space((*SPACE.variables, other)), LOSS)


def test_the_distribution_follows_from_the_rows() -> None:
    """A strategy that remembers nothing answers alike, in whatever order the trials ended; failed ones are no news."""
    rows = run(CmaEsStrategy(), 3, 40)
    question = Question(SPACE, LOSS, rows, [], 41, 7, 3, 120)
    warm = CmaEsStrategy()
    for number in range(1, 41):
        warm.suggest(Question(SPACE, LOSS, rows[:number], [], number + 1, 5, 3, 120))
    answer = warm.suggest(question)
    shuffled = random.Random(1).sample(rows, len(rows))
    failed = Observation(50, random_configurations(SPACE, 1, 9)[0], None)
    for finished in (rows, shuffled, [*rows, failed]):
        assert CmaEsStrategy().suggest(Question(SPACE, LOSS, finished, [], 41, 7, 3, 120)) == answer
    assert warm.suggest(question) == answer
    assert len(warm._known) <= 32


def test_it_descends_a_bent_valley() -> None:
    """Far deeper than chance, over fixed seeds: deterministic, so no luck is involved."""

    def best(rows: list[Observation]) -> float:
        return min((each.objectives or {})["loss"] for each in rows)

    evolved = [best(run(CmaEsStrategy(), seed)) for seed in range(4)]
    chance = [best(run(RandomStrategy(), seed)) for seed in range(4)]
    assert max(evolved) < min(chance)
