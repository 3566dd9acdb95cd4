"""`python -m benchmarks pareto`: what a completed trial adds to its transaction when the front holds 200 points.

Beside it, as the baseline, Optuna's front and hypervolume over the same 201 vectors; interleaved, medians.
"""

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from domain.objectives import Objective
from domain.pareto import Point, hypervolume, insert

FRONT = 200
ROUNDS = 200


def main() -> None:
    """Measures the insert of a point that enters a full front and evicts another, and the hypervolume after it."""
    table = Table(
        "objectives", "insert ms", "hypervolume ms", "both ms", "Optuna ms", title=f"a front of {FRONT} points"
    )
    for count in (2, 3, 4):
        table.add_row(str(count), *(f"{each:.2f}" for each in _measured(count)))
    Console().print(table)


def _measured(count: int) -> tuple[float, float, float, float]:
    objectives = [Objective(f"o{each}", reference=0) for each in range(count)]
    points = _sphere(FRONT + ROUNDS, count)
    front, late = points[:FRONT], points[FRONT:]
    times: list[tuple[float, float, float]] = []
    for point in late if count < 4 else late[:20]:
        change = insert(front, point, objectives, FRONT)
        inserting = _milliseconds(lambda p=point: insert(front, p, objectives, FRONT))
        measuring = _milliseconds(lambda c=change: hypervolume(c.front, objectives))
        times.append((inserting, measuring, _milliseconds(lambda p=point: _optuna([*front, p], count))))
    columns = [median(column) for column in zip(*times, strict=True)]
    return columns[0], columns[1], columns[0] + columns[1], columns[2]


def _sphere(count: int, dimensions: int) -> list[Point]:
    """Return points of which none dominates another: in the positive part of a sphere."""
    directions = np.abs(np.random.default_rng(1).normal(size=(count, dimensions)))
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return [
        Point(number, {f"o{each}": value for each, value in enumerate(row)}) for number, row in enumerate(unit.tolist())
    ]


def _optuna(points: list[Point], count: int) -> None:
    from optuna._hypervolume import compute_hypervolume
    from optuna.study._multi_objective import _is_pareto_front

    losses = -np.array([[each.objectives[f"o{column}"] for column in range(count)] for each in points])
    front = losses[_is_pareto_front(losses, assume_unique_lexsorted=False)]
    compute_hypervolume(front, np.zeros(count))


def _milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
