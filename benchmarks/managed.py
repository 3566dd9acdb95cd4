"""What a managed trial takes beside its evaluation, from the end of one to the beginning of the next.

The worker's whole search on an embedded PostgreSQL, hints over Valkey, with evaluations that take no time: it notes how
a trial ended, looks whether the run goes on, chooses the next, and writes it down, durably and told. Four variables,
one objective, `bayesian`, one trial at a time. Figures are milliseconds a trial, median of the trials behind a history;
the floor is two bare commits of one small row each.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psycopg
import uvloop
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from rich.console import Console
from rich.table import Table

from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from domain.space import Space
from framework.events.hints import Hints
from framework.identifiers import new_id
from framework.storage import Leases
from framework.testing.workbench import Workbench, workbench
from services.optimizer import search, under_way
from services.optimizer.outcomes import Outcome
from services.optimizer.registry import registry
from services.optimizer.resources import OptimizationRun
from services.optimizer.search import Search

TRIALS = 40
# Trials that have ended, as a worker would have left them.
_HISTORY = """
INSERT INTO optimizer.trials (organization_id, id, optimization_run_id, number, configuration, content_hash, status,
                              objectives, finish_number, origin)
SELECT organization_id, gen_random_uuid(), id, n,
       jsonb_build_object('a', random(), 'b', random(), 'c', random(), 'd', random()), n::text, 'STATUS_COMPLETED',
       jsonb_build_object('gain', random() / 1e6), n, 'ORIGIN_SUGGESTED'
FROM optimizer.optimization_runs, generate_series(1, %(count)s) AS n WHERE id = %(run)s
"""
_COUNT = "UPDATE optimizer.optimization_runs SET completed_trials = %(count)s WHERE id = %(run)s"
HISTORIES = (0, 1000, 10_000)
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"
_SPACE = Space.from_json([{"name": name, "float": {"low": 0, "high": 1}} for name in "abcd"], [])
_Run = run_pb.OptimizationRun


def main() -> None:
    """Prints a table."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, valkey(Path(home)) as broker:
        floor = _floor(server.admin_url)
        found = uvloop.run(_measured(server.admin_url, broker.url))
        columns = "trials before", "ms a trial", "of it choosing", "of two commits", "worker's processor"
        table = Table(*columns, title=f"floor {floor:.1f} ms")
        for history, (whole, choosing, worked) in found.items():
            row = f"{history:,}", f"{whole:.1f}", f"{choosing:.1f}", f"{whole / floor:.1f}", f"{worked:.1f}"
            table.add_row(*row)
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


async def _measured(url: str, broker: str) -> dict[int, tuple[float, float, float]]:
    async with workbench(registry(), url, _MIGRATIONS, SimpleNamespace()) as bench:
        bench.engine.hints = Hints(broker)
        found = {history: await _behind(bench, url, history) for history in HISTORIES}
        await bench.engine.hints.close()
    return found


async def _behind(bench: Workbench, url: str, history: int) -> tuple[float, float, float]:
    row = await _claimed(bench)
    with psycopg.connect(url, autocommit=True) as connection:
        for sql in (_HISTORY, _COUNT, "ANALYZE optimizer.trials"):
            connection.execute(sql, {"count": history, "run": row["id"]})
    parts: Any = SimpleNamespace(engine=bench.engine, database=bench.database, hints=bench.engine.hints)
    row = row | {"max_trials": history + TRIALS, "planned_trials": 10_000}
    searching = Search(parts, bench.engine.application, Leases(bench.database, "optimization_runs", "false"), row, 3600)
    between, worked, choosing = list[float](), list[float](), list[float]()
    ended = time.perf_counter(), time.process_time()
    choose = searching.choosing.suggesting.next

    async def chosen(*asked: Any) -> Any:
        began = time.perf_counter()
        suggestion = await choose(*asked)
        choosing.append(time.perf_counter() - began)
        return suggestion

    async def evaluated(*_: Any) -> Outcome:
        nonlocal ended
        between.append(time.perf_counter() - ended[0])
        worked.append(time.process_time() - ended[1])
        await asyncio.sleep(0.02)  # what is left to do when a trial was written down is no trial's
        ended = time.perf_counter(), time.process_time()
        return Outcome({"gain": len(between) * 0.618034 % 1.0 / 1e6}, finished_count=1, example_count=1)

    with (
        patch.object(searching.choosing.suggesting, "next", chosen),
        patch.object(under_way, "evaluate", evaluated),
        patch.object(search, "close", _nothing),
        patch.object(Search, "_space", _the_space),
    ):
        await searching.run()
    assert len(between) == len(choosing) == TRIALS
    whole, choice, processor = (median(each[5:]) * 1000 for each in (between, choosing, worked))
    return whole, choice, processor


async def _nothing(*_: object) -> None:
    return


async def _the_space(_: Search) -> Space:
    return _SPACE


async def _claimed(bench: Workbench) -> dict[str, Any]:
    call = bench.engine.call(bench.context(bench.user, "CreateOptimizationRun"))
    ids: dict[str, Any] = {name: str(new_id()) for name in ("program_id", "variable_space_id", "dataset_id")}
    wanted = _Run(
        **ids,
        strategy=_Run.STRATEGY_BAYESIAN,
        objectives=[run_pb.Objective(metric="gain", direction=run_pb.Objective.DIRECTION_MAXIMIZE)],
        max_trials=10_000,
        parallelism=1,
        schedule=_Run.SCHEDULE_ASYNCHRONOUS,
    )
    run = await call.create(OptimizationRun, wanted, hidden={"grant_id": new_id()})
    async with bench.database.system() as tx:
        claim = """UPDATE optimization_runs SET status = 'STATUS_RUNNING', fencing_token = 1, started_at = now(),
                   lease_until = now() + interval '1 hour' WHERE id = %(id)s RETURNING *"""
        (row,) = await tx.fetch(claim, {"id": run.id})
    return row


if __name__ == "__main__":
    main()
