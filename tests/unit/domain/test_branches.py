"""What the estimator learns of variables that only some trials have."""

from statistics import mean
from typing import Any

import pytest

from domain.objectives import Objective
from domain.space import Space
from domain.strategies import Observation
from domain.strategies.optuna_rows import Phrasebook
from domain.strategies.optuna_sampler import Estimator

SPACE = Space.from_json(
    [
        {"name": "kind", "choice": {"choices": ["shallow", "deep"]}},
        {"name": "level", "float": {"low": 0, "high": 1}, "when": "kind == 'shallow'"},
        {"name": "width", "float": {"low": 0, "high": 1}, "when": "kind == 'deep'"},
    ],
    [],
)
LOSS = Objective("loss", "minimize")
COST = Objective("cost", "minimize", threshold=2.0)
SHALLOW = [{"kind": "shallow", "level": place / 40} for place in range(40)]
DEEP = [{"kind": "deep", "width": place / 20} for place in range(20)]


@pytest.mark.parametrize("objectives", [(LOSS,), (LOSS, COST)], ids=["one", "two and a bound"])
def test_a_branch_is_searched_near_its_own_best(objectives: tuple[Objective, ...]) -> None:
    """Though every trial of another one reaches more: of all trials no deep one is among the good."""
    told = [(values, 0.0) for values in SHALLOW] + [(values, 1 + abs(values["width"] - 0.65)) for values in DEEP]
    finished = [Observation(n, values, {"loss": loss, "cost": loss}) for n, (values, loss) in enumerate(told, 1)]
    book = Phrasebook(SPACE, objectives)
    drawn = [Estimator(book.words, book.told(finished, []), book.study, seed).drawn() for seed in range(60)]
    assert mean(abs(params["width"] - 0.65) for params in drawn) < 0.15  # by chance 0.29


@pytest.mark.parametrize("objectives", [(LOSS,), (LOSS, COST)], ids=["one", "two and a bound"])
def test_a_branch_that_nobody_has_tried_is_drawn_from_all_of_it(objectives: tuple[Objective, ...]) -> None:
    """And away from what runs in it."""
    finished = [Observation(n, values, {"loss": 0.0, "cost": 1.0}) for n, values in enumerate(SHALLOW, 1)]
    book = Phrasebook(SPACE, objectives)

    def drawn(pending: list[dict[str, Any]]) -> list[float]:
        told = book.told(finished, pending)
        return [Estimator(book.words, told, book.study, seed).drawn()["width"] for seed in range(60)]

    assert min(drawn([])) < 0.25 and max(drawn([])) > 0.75
    assert min(drawn([{"kind": "deep", "width": 0.0}])) > 0.25
