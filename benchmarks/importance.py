"""`python -m benchmarks.importance`: the importance of 20 variables by 1,000 trials, in processor time."""

import time
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.designs import mixed
from domain.importance import Method, importance
from domain.objectives import Objective
from domain.sampling import random_configurations
from domain.seeds import Draw

TRIALS, VARIABLES, ROUNDS = 1000, 20, 7


def main() -> None:
    """Measures both methods, alone and with pairs, and prints medians of rounds."""
    space, noise = mixed(VARIABLES), Draw("noise")
    trials = [
        (each, 2 * each["v0"] + (each["v2"] == "b") + (each["v4"] - 0.5) * each["v8"] + 0.1 * noise.unit())
        for each in random_configurations(space, TRIALS, 1)
    ]
    table = Table("what", "median", "target", title=f"{TRIALS:,} trials, {VARIABLES} variables, {ROUNDS} rounds")
    methods: tuple[Method, ...] = ("ped_anova", "fanova")
    for method in methods:
        for pairs in (False, True):
            rounds = []
            for _ in range(ROUNDS):
                began = time.process_time()
                importance(space, trials, Objective("score"), method, pairs=pairs)
                rounds.append(time.process_time() - began)
            what = f"{method}, curves, regions{', all pairs' if pairs else ''}"
            table.add_row(what, f"{1000 * median(rounds):.0f} ms", "-" if pairs else "1,000 ms")
    Console().print(table)


if __name__ == "__main__":
    main()
