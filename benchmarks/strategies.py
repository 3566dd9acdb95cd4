"""How well strategies search at an equal budget, beside Optuna's TPE alone: losses over many seeds, and times.

A loss is the distance from the best that there is, of ZDT1 the hypervolume that is missing. Ratios are of mean losses
to Optuna's TPE on the same seeds, below 1 is better, with a 95 % interval: seeds are drawn anew, in pairs, and where
the interval holds 1 the two are not told apart. Not worse is what has its upper end below MARGIN. `wins` counts the
seeds on which a strategy comes nearer than Optuna's.

`python -m benchmarks strategies 1000 bayesian` takes so many seeds, and one strategy only: the interval narrows with
the root of their number. Losses do not depend on the machine nor on its load, milliseconds do.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import mean, median
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.table import Table

from benchmarks.problems import PROBLEMS, Problem
from domain.seeds import suggestion_seed
from domain.strategies import STRATEGIES, Observation, Question

SEEDS, SEEDS_OF_DEAR = 60, 10
MARGIN = 1.1
"""A strategy is not worse than another when its mean loss is, with 97.5 % certainty, at most a tenth more."""
DRAWS = 10_000
DEAR = "gaussian_process"
BASE = "Optuna TPE"
OURS = ("random", "bayesian", DEAR)
VIZIER_SECONDS = 8.8
"""What a suggestion of OSS Vizier's Gaussian process took, of a Branin-like function: see the peers' figures."""


def main(seeds: int = SEEDS, *names: str) -> None:
    """Prints a table for each problem; prints progress to the error stream, since it takes minutes."""
    for problem in PROBLEMS:
        found = {BASE: [_optuna(problem, seed) for seed in range(seeds)]}
        for name in names or OURS:
            print(f"{problem.name}: {name}", file=sys.stderr)
            found[name] = [_ours(problem, name, seed) for seed in range(SEEDS_OF_DEAR if name == DEAR else seeds)]
        Console().print(_table(problem, found))


Result = tuple[float, float]
"""A loss, and the median milliseconds of a suggestion in the second half."""


def _optuna(problem: Problem, seed: int) -> Result:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)
    study = optuna.create_study(directions=[each.direction for each in problem.objectives], sampler=sampler)

    def suggest(_: Sequence[Observation]) -> tuple[Mapping[str, Any], Any]:
        trial = study.ask()
        return problem.ask(trial), trial

    return _searched(problem, suggest, lambda trial, values: study.tell(trial, values))


def _ours(problem: Problem, name: str, seed: int) -> Result:
    memory: dict[str, Any] = {}

    def suggest(finished: Sequence[Observation]) -> tuple[Mapping[str, Any], Any]:
        number = len(finished) + 1
        own, budget = suggestion_seed(seed, number), problem.budget
        question = Question(problem.space, problem.objectives, finished, [], number, own, seed, budget, memory)
        return STRATEGIES[name].suggest(question), None

    return _searched(problem, suggest, lambda trial, values: None)


def _searched(problem: Problem, suggest: Callable[..., Any], tell: Callable[..., Any]) -> Result:
    names = [each.name for each in problem.objectives]
    finished, reached, times = list[Observation](), list[tuple[float, ...]](), list[float]()
    for number in range(1, problem.budget + 1):
        began = time.perf_counter()
        values, trial = suggest(finished)
        times.append(time.perf_counter() - began)
        reached.append(problem.reach(values))
        tell(trial, reached[-1])
        finished.append(Observation(number, values, dict(zip(names, reached[-1], strict=True))))
    return problem.loss(reached), median(times[len(times) // 2 :]) * 1000


def _table(problem: Problem, found: Mapping[str, Sequence[Result]]) -> Table:
    title = f"{problem.name}, {problem.budget} trials"
    columns = ("strategy", "mean loss", "median loss", "of Optuna TPE", "95 %", "not worse", "wins", "ms", "of 8.8 s")
    table = Table(*columns, title=title)
    for name, results in found.items():
        losses = [loss for loss, _ in results]
        base = [loss for loss, _ in found[BASE]][: len(losses)]
        took = median(each for _, each in results)
        wins = sum(own < other for own, other in zip(losses, base, strict=True))
        low, high = _interval(losses, base)
        figures = [f"{mean(losses):.4f}", f"{median(losses):.4f}", f"{mean(losses) / mean(base):.2f}"]
        figures += [f"{low:.2f} to {high:.2f}", "yes" if high < MARGIN else "not shown"]
        table.add_row(
            name, *figures, f"{wins} of {len(losses)}", f"{took:.1f}", f"1/{VIZIER_SECONDS * 1000 / took:.0f}"
        )
    return table


def _interval(losses: Sequence[float], base: Sequence[float]) -> tuple[float, float]:
    """Returns the 95 % interval of the ratio of the means, by a bootstrap over seeds."""
    drawn = np.random.default_rng(0).integers(0, len(base), (DRAWS, len(base)))
    ratios = np.array(losses)[drawn].mean(axis=1) / np.array(base)[drawn].mean(axis=1)
    low, high = np.percentile(ratios, [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main(*map(int, sys.argv[2:3]), *sys.argv[3:])
