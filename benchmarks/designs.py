"""`python -m benchmarks.designs`: 10,000 Sobol points of 20 variables, against SciPy's points converted by hand."""

import math
import time
import warnings
from collections.abc import Callable
from itertools import islice
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from scipy.stats import qmc

from domain.generation import Wanted, generate, walk_of
from domain.space import ChoiceVariable, Constraint, FloatVariable, IntegerVariable, Space

POINTS, VARIABLES, ROUNDS = 10_000, 20, 7
CHOICES = ("a", "b", "c")


def main() -> None:
    """Measures both, interleaved, and prints medians in processor time."""
    warnings.simplefilter("ignore")  # SciPy wants powers of two
    space = mixed(VARIABLES)
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for what, action in _actions(space).items():
            times.setdefault(what, []).append(_seconds(action))
    by_hand = median(times["SciPy's points, converted by hand"])
    table = Table("what", "median", "of by hand", title=f"{POINTS:,} points of {VARIABLES} variables, {ROUNDS} rounds")
    for what, found in times.items():
        table.add_row(what, f"{1000 * median(found):.0f} ms", f"{median(found) / by_hand:.2f}")
    Console().print(table)


def mixed(count: int) -> Space:
    """Returns a space of floats, integers, choices and logarithmic floats."""
    kinds: list[Callable[[str], Any]] = [
        lambda name: FloatVariable(name, 0, 1),
        lambda name: IntegerVariable(name, 0, 100),
        lambda name: ChoiceVariable(name, CHOICES),
        lambda name: FloatVariable(name, 1e-4, 1, log=True),
    ]
    return Space(tuple(kinds[index % 4](f"v{index}") for index in range(count)))


def _actions(space: Space) -> dict[str, Callable[[], Any]]:
    quarter = Space(space.variables, (Constraint("quarter", "v0 < 0.25"),))
    return {
        "SciPy's points alone": lambda: _points().tolist(),
        "SciPy's points, converted by hand": lambda: [_by_hand(point) for point in _points().tolist()],
        "sobol": lambda: _taken(space, "sobol"),
        "halton": lambda: _taken(space, "halton"),
        "random": lambda: _taken(space, "random"),
        "random, 1,000 at 25 % feasibility": lambda: generate(quarter, "random", Wanted(1000)),
        "sobol, 1,000 at 25 % feasibility": lambda: generate(quarter, "sobol", Wanted(1000)),
    }


def _taken(space: Space, strategy: str) -> list[Any]:
    return [made.values for made in islice(walk_of(space, strategy, Wanted(POINTS)).made, POINTS)]


def _points() -> Any:
    return qmc.Sobol(VARIABLES, scramble=True, rng=1).random(POINTS)


def _by_hand(point: list[float]) -> dict[str, Any]:
    """Returns what somebody would write for this one space: the same values, of 12 significant digits."""
    values: dict[str, Any] = {}
    for index, place in enumerate(point):
        kind = index % 4
        if kind == 0:
            values[f"v{index}"] = float(f"{place:.11e}")
        elif kind == 1:
            values[f"v{index}"] = int(place * 101)
        elif kind == 2:
            values[f"v{index}"] = CHOICES[int(place * 3)]
        else:
            values[f"v{index}"] = float(f"{math.exp(math.log(1e-4) * (1 - place)):.11e}")
    return values


def _seconds(action: Callable[[], Any]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


if __name__ == "__main__":
    main()
