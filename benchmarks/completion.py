"""What keeping a Pareto front adds to a trial's completion; an embedded PostgreSQL of its own, nothing else runs.

Completions that keep a full front, the trial entering it, are interleaved with completions of the same worker that keep
none; each commits durably. Every figure is a median in milliseconds.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from framework.identifiers import new_id
from framework.storage import Leases
from framework.testing.workbench import Workbench, workbench
from services.optimizer.front import LIMIT, Front
from services.optimizer.ledger import Ledger
from services.optimizer.outcomes import Outcome
from services.optimizer.registry import registry
from services.optimizer.resources import OptimizationRun
from services.optimizer.suggesting import Suggestion

ROUNDS = 150
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"
_NAMES = ("exact_match", "cost", "latency_ms")


def main() -> None:
    """Measures two and three objectives, and prints medians."""
    table = Table("objectives", "without a front", f"with one of {LIMIT}", "added", title="one completion, ms")
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        for count in (2, 3):
            without, having = asyncio.run(_measured(server.admin_url, count))
            table.add_row(str(count), f"{without:.2f}", f"{having:.2f}", f"{having - without:.2f}")
    Console().print(table)


async def _measured(url: str, count: int) -> tuple[float, float]:
    times: dict[bool, list[float]] = {False: [], True: []}
    async with workbench(registry(), url, _MIGRATIONS) as bench:
        ledgers = {keeps: await _begun(bench, _NAMES[:count]) for keeps in times}
        source = random.Random(count)
        numbers = dict.fromkeys(times, 0)
        for keeps in [True] * LIMIT + [False, True] * ROUNDS:
            numbers[keeps] += 1
            times[keeps].append(await _one(ledgers[keeps], numbers[keeps], _undominated(source, count), keeps))
    return median(times[False]), median(times[True][LIMIT:])


async def _begun(bench: Workbench, names: Sequence[str]) -> Ledger:
    call = bench.engine.call(bench.context(bench.user, "CreateOptimizationRun"))
    directions = (pb.Objective.DIRECTION_MAXIMIZE, *[pb.Objective.DIRECTION_MINIMIZE] * 2)
    run = pb.OptimizationRun(
        program_id=str(new_id()),
        variable_space_id=str(new_id()),
        dataset_id=str(new_id()),
        strategy=pb.OptimizationRun.STRATEGY_RANDOM,
        max_trials=10_000,
        objectives=[
            pb.Objective(metric=name, direction=direction, reference=-1.0 if name == "exact_match" else 100.0)
            for name, direction in zip(names, directions, strict=False)
        ],
    )
    made = await call.create(OptimizationRun, run, hidden={"grant_id": new_id()})
    leases = Leases(bench.database, "optimization_runs", "status = 'STATUS_PENDING'")
    row = await leases.claim("bench", 3600)
    assert row is not None and str(row["id"]) == made.id
    parts: Any = SimpleNamespace(engine=bench.engine, database=bench.database, hints=_Silent())
    ledger = Ledger(parts, leases, row, 3600)
    await ledger.start()
    return ledger


class _Silent:
    """No hints: Redis is no part of a completion."""

    async def publish(self, topic: str) -> None:
        """Tells nobody."""


def _undominated(source: random.Random, count: int) -> list[float]:
    """Returns a point that none of its kind dominates: the more accurate, the dearer."""
    accuracy = source.random()
    share = source.random() if count > 2 else 1.0
    return [accuracy, 10 + 50 * accuracy * share, 10 + 50 * accuracy * (1 - share)][:count]


async def _one(ledger: Ledger, number: int, reached: list[float], keeps: bool) -> float:
    """Completes one trial; returns the milliseconds that took."""
    configuration = {"temperature": number / 10_000, "demonstrations": number % 9}
    trial = await ledger.begin(Suggestion(number, configuration, "hash", number, "sampler"), 0, [])
    outcome = Outcome(dict(zip(_NAMES, reached, strict=False)), finished_count=10, example_count=10)
    began = time.perf_counter()
    if keeps:
        await ledger.finish(trial, outcome)
    else:
        with patch.object(Front, "offer", _nothing):
            await ledger.finish(trial, outcome)
    return (time.perf_counter() - began) * 1000


async def _nothing(*_: Any) -> tuple[dict[str, Any], None]:
    return {}, None


if __name__ == "__main__":
    main()
