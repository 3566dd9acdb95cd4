"""What it costs to judge a typical input: `python -m benchmarks schemas [rounds]`; nothing else runs.

The baseline is the same model called by itself, without the look for what JSON cannot keep, defaults and our own words.
"""

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from ashgrove.programs import field
from rich.console import Console
from rich.table import Table

from services.program.schemas.checking import KEPT, Checker, checker_of

ROUNDS, CALLS = 7, 2000
_POINT = field(kind="object", properties=[field("title"), field("score", "number"), field("url", optional=True)])
TYPICAL = [
    field("question", min_length=1, max_length=2000),
    field("language", choices=["de", "en", "fr", "sv"]),
    field("k", "integer", minimum=1, maximum=50, default=5),
    field("passages", "array", items=_POINT, max_items=20),
    field("sure", "confidence"),
]
VALUES = {
    "question": "What is the capital of the country that " + "borders " * 20,
    "language": "en",
    "passages": [{"title": f"Passage {i}", "score": i / 7} for i in range(5)],
    "sure": 0.7,
}
WRONG = {**VALUES, "language": "xx", "k": 0, "passages": [{"title": 1, "score": "2"}], "more": True}


def main(rounds: int = ROUNDS) -> None:
    """Measures a right input, a wrong one, the model alone, and the making of a checker."""
    checker = checker_of(TYPICAL)
    whole = checker.check(VALUES).values
    measured: dict[str, Callable[[], Any]] = {
        "the model by itself": lambda: checker.model.model_validate(whole),
        "a typical input, judged and kept": lambda: checker_of(TYPICAL).check(VALUES, "inputs"),
        "one with five violations, told with their paths": lambda: checker_of(TYPICAL).check(WRONG, "inputs"),
    }
    seen: dict[str, list[float]] = {name: [] for name in [*measured, "making the checker, once per content"]}
    for _ in range(rounds):
        for name, what in measured.items():
            seen[name].append(_microseconds(what, CALLS))
        seen["making the checker, once per content"].append(_microseconds(lambda: Checker(checker.fields), 5))
    base = median(seen["the model by itself"])
    table = Table("what", "µs", "of the model", title=f"median of {rounds} rounds; a process keeps {KEPT} checkers")
    for name, found in seen.items():
        table.add_row(name, f"{median(found):.1f}", f"{median(found) / base:.1f}")
    Console().print(table)


def _microseconds(what: Callable[[], Any], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        what()
    return (time.process_time() - began) / calls * 1e6


if __name__ == "__main__":
    main(int(sys.argv[2]) if sys.argv[2:] else ROUNDS)
