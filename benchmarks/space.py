"""`python -m benchmarks.space`: judging, drawing and moving configurations of large spaces, in processor time."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from domain.differing import difference
from domain.moving import perturbed
from domain.sampling import random_configurations
from domain.satisfiability import satisfiability
from domain.seeds import Draw
from domain.space import BooleanVariable, ChoiceVariable, Constraint, FloatVariable, IntegerVariable, Space

ROUNDS = 7


def main() -> None:
    """Measures, and prints medians of rounds."""
    hundred, large, quarter = wide(100, 20), wide(500, 200), quarter_feasible()
    configuration, larger = hundred.validate({}), large.validate({})
    wider, source = Space(large.variables, large.constraints[1:]), Draw("bench")
    table = Table("what", "median", "target", title=f"{ROUNDS} rounds")
    for what, action, count, target in (
        ("validate 100 variables, 20 constraints", lambda: hundred.validate(configuration), 200, "2 ms"),
        ("validate 500 variables, 200 constraints", lambda: large.validate(larger), 20, "-"),
        ("make a space of 500 variables, 200 constraints", lambda: wide(500, 200), 2, "-"),
        ("tell two of 500 variables, 200 constraints apart", lambda: difference(large, wider), 2, "-"),
        ("try 500 variables, 200 constraints for emptiness", lambda: satisfiability(large), 1, "-"),
        ("perturb one of 100 variables, 20 constraints", lambda: perturbed(hundred, configuration, source), 20, "-"),
    ):
        table.add_row(what, f"{1000 * _seconds(action, count):.2f} ms", target)
    drawn = _seconds(lambda: random_configurations(quarter, 1000, 1), 1)
    table.add_row("valid draws at 25 % feasibility", f"{1000 / drawn:,.0f} a second", "5,000 a second")
    Console().print(table)


def wide(count: int, constraints: int) -> Space:
    """Returns a space of all scalar kinds with defaults, whose defaults satisfy the constraints."""
    kinds: list[Callable[[str], Any]] = [
        lambda name: FloatVariable(name, 0, 1, default=0.5),
        lambda name: IntegerVariable(name, 0, 100, default=3),
        lambda name: ChoiceVariable(name, ("a", "b", "c"), default="a"),
        lambda name: BooleanVariable(name, default=True),
    ]
    text = "v{0} + v{1} / 10 < 10.8 && (v{2} in ['a', 'b'] || !v{3} || log(v{1} + 1) < 4.6)"
    places = [4 * (index % (count // 4)) for index in range(constraints)]
    rules = [Constraint(f"c{index}", text.format(*range(at, at + 4))) for index, at in enumerate(places)]
    return Space(tuple(kinds[index % 4](f"v{index}") for index in range(count)), tuple(rules))


def quarter_feasible() -> Space:
    """Returns a space of which a constraint leaves a quarter."""
    variables = (
        ChoiceVariable("provider", tuple("abcd")),
        IntegerVariable("shots", 0, 15),
        FloatVariable("heat", 0, 2),
    )
    return Space(variables, (Constraint("calm", "heat < 0.5"),))


def _seconds(action: Callable[[], Any], count: int) -> float:
    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(count):
            action()
        rounds.append((time.process_time() - began) / count)
    return median(rounds)


if __name__ == "__main__":
    main()
