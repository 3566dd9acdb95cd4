"""What a managed trial takes beside its evaluation: chosen, written down, noted as ended, each durable and told.

The worker's books on an embedded PostgreSQL, hints over Valkey; four variables, one objective, `bayesian`. Figures are
milliseconds a trial, median of the trials behind a history; the floor is two bare commits of one small row each.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import psycopg
import uvloop
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from domain.space import Space
from domain.strategies import Observation
from framework.events.hints import Hints
from framework.identifiers import new_id
from framework.storage import Leases
from framework.testing.workbench import Workbench, workbench
from services.optimizer.evaluating import Outcome
from services.optimizer.ledger import Ledger
from services.optimizer.resources import OptimizationRun, registry
from services.optimizer.suggesting import Suggesting

TRIALS = 40
HISTORIES = (0, 1000)
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"
_SPACE = Space.from_json([{"name": name, "float": {"low": 0, "high": 1}} for name in "abcd"], [])
_Run = run_pb.OptimizationRun


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, valkey(Path(home)) as broker:
        floor = _floor(server.admin_url)
        found = uvloop.run(_measured(server.admin_url, broker.url))
        table = Table("trials before", "ms a trial", "of it choosing", "of two commits", title=f"floor {floor:.1f} ms")
        for history, (whole, choosing) in found.items():
            table.add_row(f"{history:,}", f"{whole:.1f}", f"{choosing:.1f}", f"{whole / floor:.1f}")
        Console().print(table)


def _floor(url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE floor (n integer)")
        times = []
        for number in range(TRIALS):
            began = time.perf_counter()
            for _ in range(2):
                connection.execute("INSERT INTO floor VALUES (%s)", (number,))
            times.append(time.perf_counter() - began)
    return median(times) * 1000


async def _measured(url: str, broker: str) -> dict[int, tuple[float, float]]:
    async with workbench(registry(), url, _MIGRATIONS, SimpleNamespace()) as bench:
        bench.engine.hints = Hints(broker)
        found = {history: await _behind(bench, history) for history in HISTORIES}
        await bench.engine.hints.close()
    return found


async def _behind(bench: Workbench, history: int) -> tuple[float, float]:
    row = await _claimed(bench)
    parts: Any = SimpleNamespace(engine=bench.engine, database=bench.database, hints=bench.engine.hints)
    books = Ledger(parts, Leases(bench.database, "optimization_runs", "status = 'STATUS_PENDING'"), row, 3600)
    suggesting, finished = Suggesting(row), list[Observation]()
    for number in range(1, history + 1):
        values = _SPACE.draw(_source(number))
        finished.append(Observation(number, values, {"gain": number / 1e6}))
    whole, choosing = [], []
    for number in range(history + 1, history + TRIALS + 1):
        began = time.perf_counter()
        suggestion = await suggesting.next(_SPACE, number, finished, [])
        choosing.append(time.perf_counter() - began)
        trial = await books.begin(suggestion, [each.number for each in finished], [])
        reached = {"gain": number / 1e6}
        await books.finish(trial, Outcome(reached, finished_count=1, example_count=1))
        whole.append(time.perf_counter() - began)
        finished.append(Observation(number, suggestion.values, reached))
    return median(whole[5:]) * 1000, median(choosing[5:]) * 1000


def _source(number: int) -> Any:
    from domain.seeds import Draw

    return Draw(number, "history")


async def _claimed(bench: Workbench) -> dict[str, Any]:
    call = bench.engine.call(bench.context(bench.user, "CreateOptimizationRun"))
    ids: dict[str, Any] = {name: str(new_id()) for name in ("program_id", "variable_space_id", "dataset_id")}
    wanted = _Run(
        **ids,
        strategy=_Run.STRATEGY_BAYESIAN,
        objectives=[run_pb.Objective(metric="gain", direction=run_pb.Objective.DIRECTION_MAXIMIZE)],
        max_trials=10_000,
    )
    run = await call.create(OptimizationRun, wanted, hidden={"grant_id": new_id()})
    async with bench.database.system() as tx:
        claim = """UPDATE optimization_runs SET status = 'STATUS_RUNNING', fencing_token = 1, started_at = now(),
                   lease_until = now() + interval '1 hour' WHERE id = %(id)s RETURNING *"""
        (row,) = await tx.fetch(claim, {"id": run.id})
    return row


if __name__ == "__main__":
    main()
