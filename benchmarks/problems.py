"""Functions whose best is known: what strategies are compared on."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from domain.objectives import Objective
from domain.pareto import Point, hypervolume
from domain.space import Space


@dataclass(frozen=True)
class Problem:
    """A space, what is reached in it, how many trials there are, and the best that there is."""

    name: str
    space: Space
    objectives: tuple[Objective, ...]
    reach: Callable[[Mapping[str, Any]], tuple[float, ...]]
    ask: Callable[[Any], dict[str, Any]]
    """The same space as a define-by-run function of Optuna's trial."""
    budget: int
    best: float

    def loss(self, reached: Sequence[tuple[float, ...]]) -> float:
        """Returns how far the best of what was reached is from the best there is, or its hypervolume from the whole."""
        names = [each.name for each in self.objectives]
        if len(names) == 1:
            return float(min(value for (value,) in reached) - self.best)
        points = [Point(n, dict(zip(names, values, strict=True))) for n, values in enumerate(reached)]
        return float(self.best - (found.value if (found := hypervolume(points, self.objectives)) else 0.0))


def branin(values: Mapping[str, Any]) -> tuple[float]:
    """Returns Branin's function, whose three minima are 0.397887."""
    x, y = values["x"], values["y"]
    b, c, t = 5.1 / (4 * math.pi**2), 5 / math.pi, 1 / (8 * math.pi)
    return ((y - b * x**2 + c * x - 6) ** 2 + 10 * (1 - t) * math.cos(x) + 10,)


_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_SIX = [f"x{n}" for n in range(6)]


def hartmann(values: Mapping[str, Any]) -> tuple[float]:
    """Returns Hartmann's function of six variables, whose minimum is -3.32237."""
    point = np.array([values[name] for name in _SIX])
    return (-float(_ALPHA @ np.exp(-(_A * (point - _P) ** 2).sum(axis=1))),)


def conditional(values: Mapping[str, Any]) -> tuple[float]:
    """Returns a function of a choice and of what each choice brings with it; its minimum is 0, by `deep`."""
    if values["kind"] == "flat":
        return (0.3 + (values["rate"] - 0.2) ** 2,)
    if values["kind"] == "deep":
        return ((values["layers"] - 7) ** 2 / 20 + 4 * (values["width"] - 0.65) ** 2,)
    return (0.1 + abs(values["level"] - 0.9),)


def zdt1(values: Mapping[str, Any]) -> tuple[float, float]:
    """Returns Zitzler, Deb and Thiele's first problem in six variables."""
    first = values["x0"]
    g = 1 + 9 * sum(values[name] for name in _SIX[1:]) / 5
    return first, g * (1 - math.sqrt(first / g))


_PLACES, _WORDS = [f"c{n}" for n in range(6)], [f"word {n}" for n in range(5)]
_ALONE = np.random.default_rng(7).normal(size=(6, 5))
_TOGETHER = np.random.default_rng(8).normal(scale=0.5, size=(6, 6, 5, 5))


def categorical(values: Mapping[str, Any]) -> tuple[float]:
    """Returns a function of six choices of five, as prompts are put together: what each adds, and each pair."""
    chosen = [_WORDS.index(values[name]) for name in _PLACES]
    return (_of_choices(chosen),)


def _of_choices(chosen: Sequence[int]) -> float:
    alone = sum(_ALONE[place, each] for place, each in enumerate(chosen))
    pairs = combinations(enumerate(chosen), 2)
    return -float(alone + sum(_TOGETHER[one, other, mine, yours] for (one, mine), (other, yours) in pairs))


def _ask_conditional(trial: Any) -> dict[str, Any]:
    kind = trial.suggest_categorical("kind", ["flat", "deep", "odd"])
    if kind == "flat":
        return {"kind": kind, "rate": trial.suggest_float("rate", 0, 1)}
    if kind == "deep":
        return {
            "kind": kind,
            "layers": trial.suggest_int("layers", 1, 12),
            "width": trial.suggest_float("width", 0, 1),
        }
    return {"kind": kind, "level": trial.suggest_float("level", 0, 1)}


def _floats(names: Sequence[str], low: float = 0, high: float = 1) -> list[dict[str, Any]]:
    return [{"name": name, "float": {"low": low, "high": high}} for name in names]


def _when(kind: str, entry: dict[str, Any]) -> dict[str, Any]:
    return entry | {"when": f"kind == '{kind}'"}


_KINDS = {"name": "kind", "choice": {"choices": ["flat", "deep", "odd"]}}
_LOSS = (Objective("loss", "minimize"),)
_TWO = (Objective("f1", "minimize", reference=1.1), Objective("f2", "minimize", reference=7.0))

PROBLEMS = (
    Problem(
        "Branin",
        Space.from_json([*_floats("x", -5, 10), *_floats("y", 0, 15)], []),
        _LOSS,
        branin,
        lambda trial: {"x": trial.suggest_float("x", -5, 10), "y": trial.suggest_float("y", 0, 15)},
        30,
        0.397887,
    ),
    Problem(
        "Hartmann-6",
        Space.from_json(_floats(_SIX), []),
        _LOSS,
        hartmann,
        lambda trial: {name: trial.suggest_float(name, 0, 1) for name in _SIX},
        60,
        -3.32237,
    ),
    Problem(
        "conditional",
        Space.from_json(
            [
                _KINDS,
                *(_when("flat", each) for each in _floats(["rate"])),
                _when("deep", {"name": "layers", "integer": {"low": 1, "high": 12}}),
                *(_when("deep", each) for each in _floats(["width"])),
                *(_when("odd", each) for each in _floats(["level"])),
            ],
            [],
        ),
        _LOSS,
        conditional,
        _ask_conditional,
        60,
        0.0,
    ),
    Problem(
        "categorical",
        Space.from_json([{"name": name, "choice": {"choices": _WORDS}} for name in _PLACES], []),
        _LOSS,
        categorical,
        lambda trial: {name: trial.suggest_categorical(name, _WORDS) for name in _PLACES},
        40,
        min(_of_choices(chosen) for chosen in product(range(5), repeat=6)),
    ),
    Problem(
        "ZDT1",
        Space.from_json(_floats(_SIX), []),
        _TWO,
        zdt1,
        lambda trial: {name: trial.suggest_float(name, 0, 1) for name in _SIX},
        80,
        # The front f2 = 1 - sqrt(f1) from (0, 1) to (1, 0), measured from (1.1, 7).
        1.1 * 7.0 - (1.0 - 2.0 / 3.0),
    ),
)
