"""The first suggestion of a process that takes a run over, which knows nothing of it, beside one that knows it all.

External runs: the whole SuggestTrials over gRPC with the real interceptors, as another replica of the API answers it.
Managed runs: what a worker does from its claim to the first new trial that is written down, without the evaluations.
"""

import tempfile
import time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import uvloop
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from rich.console import Console
from rich.table import Table

from benchmarks.asking import opened, serving
from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from domain.space import Space
from framework.storage import Leases
from framework.testing.serving import Caller
from framework.testing.workbench import Workbench
from services.optimizer.search import Search
from services.optimizer.warm import WarmRuns

HISTORIES = (1000, 9000)
TIMES = 7
_TPE = run_pb.OptimizationRun.STRATEGY_BAYESIAN
_SPACE = Space.from_json([{"name": each, "float": {"low": 0.0, "high": 1.0}} for each in "abcd"])


def main() -> None:
    """Prints the median milliseconds of each at 1,000 and 9,000 finished trials, by TPE over 4 parameters."""
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, valkey(Path(home)) as broker:
        Console().print(uvloop.run(_measured(server.admin_url, broker.url)))


async def _measured(url: str, broker: str) -> Table:
    table = Table("what", *(f"{each:,} trials before" for each in HISTORIES), title="a TPE suggestion, ms (median)")
    rows: dict[str, list[str]] = {}
    async with serving(url, broker) as (bench, caller):
        for history in HISTORIES:
            for what, measure in (("SuggestTrials", _external), ("a worker's", _managed)):
                cold, warm = await measure(bench, caller, url, history)
                for name, took in ((f"{what}, after a takeover", cold), (f"{what}, warm", warm)):
                    rows.setdefault(name, []).append(f"{median(took) * 1000:.0f}")
    for what, cells in rows.items():
        table.add_row(what, *cells)
    return table


async def _external(bench: Workbench, caller: Caller, url: str, history: int) -> tuple[list[float], list[float]]:
    run = await opened(bench, url, _TPE, history)
    times = []
    for number in range(2 * TIMES + 2):
        if number % 2 == 0:
            bench.engine.application.warm = WarmRuns()
        began = time.perf_counter()
        answer = await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client="one"))
        times.append(time.perf_counter() - began)
        told = [pb.TrialCompletion(number=each.number, objectives={"gain": 0.1}) for each in answer.trials]
        await caller.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client="one", completions=told))
    return times[2::2], times[3::2]  # the first of all has the modules to import, too


async def _managed(bench: Workbench, caller: Caller, url: str, history: int) -> tuple[list[float], list[float]]:
    run = await opened(bench, url, _TPE, history)
    parts: Any = SimpleNamespace(engine=bench.engine, database=bench.database, hints=bench.engine.hints)
    leases = Leases(bench.database, "optimization_runs", f"id = '{run}'")
    cold, warm = list[float](), list[float]()
    for number in range(TIMES + 1):
        row = await leases.claim(f"worker {number}", 0.0)
        assert row is not None
        row["grant_id"] = row["id"]
        search = Search(parts, bench.engine.application, leases, row)
        for times in (cold, warm):
            began = time.perf_counter()
            if times is cold:
                for each in await search.ledger.trials():
                    search.tried.begun(each)
            search.tried.begun(await search.choosing.suggested(_SPACE))
            times.append(time.perf_counter() - began)
        await leases.release(row)
    return cold[1:], warm[1:]


if __name__ == "__main__":
    main()
