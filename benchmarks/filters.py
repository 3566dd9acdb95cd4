"""What a hostile filter costs in the service, from its text to SQL or to its refusal; nothing else runs.

`python -m benchmarks filters [rounds]`; milliseconds of processor time. Every filter is the worst that its bound lets
through, or lies just beyond it.
"""

import sys
import time
from statistics import median
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.readable import Readable
from framework.errors import InvalidFields
from framework.query import filter_clause
from framework.query.filter import SUBQUERY
from framework.query.grammar import DEEPEST, LONGEST, LONGEST_PATH, MOST_NAMES, MOST_TERMS
from framework.resource import Resource, spec_of
from framework.storage.tables import compiled
from services.program.registry import registry
from services.program.resources import Execution, Program

ROUNDS = 50
_PATH = ".".join(["inputs", *(f"n{i}" for i in range(LONGEST_PATH - 1))])
_LONG = "x" * ((LONGEST - 20) // MOST_TERMS - 30)
_RELATED = "through relationships"
HOSTILE = {
    "an ordinary one": 'status = failed AND created_at > ago(7d) AND inputs.question:"moon"',
    "as many comparisons as may be": " AND ".join(f'error != "{i}"' for i in range(MOST_TERMS)),
    "one too many": " AND ".join(f'error != "{i}"' for i in range(MOST_TERMS + 1)),
    "alternatives of long words": " OR ".join(f'error:"{i}{_LONG}"' for i in range(MOST_TERMS)),
    "JSON, as deep and as often as may be": " AND ".join([f'{_PATH} = "a"'] * (MOST_NAMES // LONGEST_PATH)),
    "nested as deep as may be": f"{'NOT (' * DEEPEST}error = a{')' * DEEPEST}",
    "nested too deep": f"{'(' * LONGEST}",
    "negations": "NOT " * (LONGEST // 4 - 4) + "error = a",
    "an endless string": f'error = "{chr(92) * (LONGEST - 20)}',
    "spaces": f"error ={' ' * (LONGEST - 10)}a",
    "signs": "-" * LONGEST,
    "too long": "error = a OR " * LONGEST,
    _RELATED: " AND ".join(f'executions.error = "{i}"' for i in range(MOST_TERMS // (1 + SUBQUERY))),
    "brackets in lists": f"error = ({' OR '.join(['a'] * (MOST_TERMS - 1))})",
}


def main(rounds: int = ROUNDS) -> None:
    """Measures every filter, the dearest last."""
    registry()  # so that relationships are known
    table = Table("filter", "characters", "p50 ms", "worst ms", "outcome")
    seen = {name: [_one(name, text) for _ in range(rounds)] for name, text in HOSTILE.items()}
    for name, found in sorted(seen.items(), key=lambda item: median(t for t, _ in item[1])):
        times = [taken for taken, _ in found]
        table.add_row(name, str(len(HOSTILE[name])), f"{median(times):.2f}", f"{max(times):.2f}", found[0][1])
    Console().print(table)


def _one(name: str, text: str) -> tuple[float, str]:
    began = time.process_time()
    found = outcome(name, text)
    return (time.process_time() - began) * 1000, found


def outcome(name: str, text: str) -> str:
    """Makes SQL of a filter, and says whether it was refused."""
    actor = Actor(ActorKind.USER, str(uuid4()), uuid4(), Role.USER)
    resource: type[Resource[Any]] = Program if name == _RELATED else Execution
    readable = Readable(spec_of(resource), Context(actor, "ListExecutions", "", 0.0))
    try:
        compiled(select(readable.table.c.id).where(filter_clause(text, readable)))
    except InvalidFields:
        return "refused"
    return "SQL"


if __name__ == "__main__":
    main(int(sys.argv[2]) if sys.argv[2:] else ROUNDS)
