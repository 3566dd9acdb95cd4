"""Strategies of others: found where they are installed, made with their options, and held to the space."""

from pathlib import Path

import pytest

from domain.objectives import Objective
from domain.sampling import random_configurations
from domain.space import ComputedVariable, FloatVariable, Space
from domain.strategies import Observation, Question, strategy
from domain.strategies.registered import registered

PROGRAMS = Path(__file__).parents[2] / "programs"
SPACE = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1), ComputedVariable("sum", "x + y")))


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strategies are there as an installed distribution's are."""
    monkeypatch.syspath_prepend(str(PROGRAMS))


def asked(number: int = 31) -> Question:
    rows = [
        Observation(at, values, {"score": values["x"]})
        for at, values in enumerate(random_configurations(SPACE, number - 1, 1), 1)
    ]
    return Question(SPACE, (Objective("score"),), rows, [], number, 5, 1, 40)


def test_it_is_made_with_its_options_and_asked_like_any_other() -> None:
    """Nothing of it is imported before."""
    assert {"climbing", "lost"} <= registered().keys()
    question = asked()
    top = max(question.finished, key=lambda each: each.values["x"]).values
    near, far = (
        strategy("registered", {"name": "climbing", "options": {"step": step}}).suggest(question)
        for step in (1e-4, 0.5)
    )
    assert abs(near["x"] - top["x"]) + abs(near["y"] - top["y"]) < 0.01
    assert near != far and near["sum"] == pytest.approx(near["x"] + near["y"])


def test_what_is_not_in_the_space_is_not_tried() -> None:
    """Its fault is named."""
    with pytest.raises(ValueError, match=r"lost suggests what is not in the space.*nowhere"):
        strategy("registered", {"name": "lost"}).suggest(asked())
