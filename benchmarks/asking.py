"""Suggest + complete in external runs, beside Optuna over its gRPC proxy and on its RDB, OSS Vizier and MLflow.

Ours goes over gRPC with the real interceptors, identity tokens, story, front, audit events and hints, its callers and
the service in one process; Optuna's proxy has a process of its own. All commit durably. Figures are trials a second, in
parentheses how many times as many as the proxy's with the same strategy, history and clients. A trial takes two calls,
or, in one call, that which tells so many trials and asks for as many: with one trial it is the Python client's loop.

`python -m benchmarks asking quick` measures random without history only: a minute instead of six.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import uvloop
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.variables.v1 import variable_space_pb2
from rich.console import Console
from rich.table import Table

from benchmarks.asking_optuna import NAMES, PROXY, asked_of_optuna, study_in_memory
from benchmarks.asking_peers import asked_of_peers
from deploy.local.postgres import postgres
from deploy.local.valkey import valkey
from framework.events.hints import Hints
from framework.testing.serving import Caller, served
from framework.testing.workbench import Workbench, workbench
from services.optimizer.external.space import keep
from services.optimizer.registry import registry
from services.optimizer.resources import OptimizationRun
from services.optimizer.warm import WarmRuns
from services.optimizer.watched import Watched

SECONDS = 3.0
HISTORIES = (0, 1000, 9000)
AHEAD = 8
_WAYS = {"ours": 0, "ours, in one call": 1, f"ours, {AHEAD} in one call": AHEAD}
"""How many trials a call tells and asks for; with 0 two calls tell one and ask for one."""
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"
_Run = run_pb.OptimizationRun
_STRATEGIES = {"random": _Run.STRATEGY_RANDOM, "TPE": _Run.STRATEGY_BAYESIAN}
# Finished trials as clients would have left them.
_HISTORY = """
INSERT INTO optimizer.trials (organization_id, id, optimization_run_id, number, configuration, status, objectives,
                              finish_number)
SELECT organization_id, gen_random_uuid(), id, n,
       jsonb_build_object('a', random(), 'b', random(), 'c', random(), 'd', random()), 'STATUS_COMPLETED',
       jsonb_build_object('gain', random() / 2), n
FROM optimizer.optimization_runs, generate_series(1, %(count)s) AS n WHERE id = %(run)s
"""
_COUNT = "UPDATE optimizer.optimization_runs SET completed_trials = %(count)s WHERE id = %(run)s"


class _Peers:
    """What an external run needs of the service's own things."""

    def __init__(self) -> None:
        self.warm = WarmRuns()
        self.watched = Watched()


def main() -> None:
    """Measures one and eight clients, random and TPE, with and without history; prints trials a second."""
    quick = "quick" in sys.argv
    strategies, histories = list(_STRATEGIES)[: 1 if quick else 2], HISTORIES[: 1 if quick else 3]
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server, valkey(Path(home)) as broker:
        theirs = asked_of_optuna(server.admin_url, strategies, histories, SECONDS)
        theirs |= {} if quick else asked_of_peers(Path(home), server.admin_url, SECONDS)
        ours = uvloop.run(_ours(server.admin_url, broker.url, strategies, histories))
        table = Table("what", "1 client", "8 clients", title="suggest + complete, 4 parameters, trials/s")
        for (who, strategy, history), rates in sorted((theirs | ours).items(), key=lambda each: each[0][1:]):
            base = theirs[PROXY, strategy, history]
            cells = [f"{rate:.1f} ({rate / other:.1f})" for rate, other in zip(rates, base, strict=True)]
            table.add_row(f"{strategy}, {history:,} trials before: {who}", *cells)
        Console().print(table)


Rates = tuple[float, float]


@asynccontextmanager
async def serving(url: str, broker: str) -> AsyncIterator[tuple[Workbench, Caller]]:
    """Serves the optimizer for as long as it is open, and calls it as a user; its peers know nothing."""
    async with workbench(registry(), url, _MIGRATIONS, _Peers()) as bench:
        bench.engine.hints = Hints(broker)
        async with served(bench) as service:
            yield bench, service.as_actor(bench.user)
        await bench.engine.hints.close()


async def _ours(
    url: str, broker: str, strategies: Sequence[str], histories: Sequence[int]
) -> dict[tuple[str, str, int], Rates]:
    found: dict[tuple[str, str, int], Rates] = {}
    async with serving(url, broker) as (bench, caller):
        for name, history, (who, ahead) in product(strategies, histories, _WAYS.items()):
            one, eight = [
                await _rate(bench, caller, url, _STRATEGIES[name], history, clients, ahead) for clients in (1, 8)
            ]
            found[who, name, history] = one, eight
        for history in histories[1:]:
            added = await _added(bench, caller, url, history)
            told = f"{added[0]:.1f} ms; raw ask {added[1]:.1f} ms"
            Console().print(f"a warm TPE suggestion at {history:,} trials: {told}")
    return found


async def opened(bench: Workbench, url: str, strategy: Any, history: int) -> str:
    """Opens a run with so many finished trials; returns its id."""
    call = bench.engine.call(bench.context(bench.user, "CreateOptimizationRun"))
    objective = run_pb.Objective(metric="gain", direction=run_pb.Objective.DIRECTION_MAXIMIZE, reference=0)
    wanted = _Run(
        variable_space_id="01900000-0000-7000-8000-000000000000",
        strategy=strategy,
        objectives=[objective],
        max_trials=10_000,
        evaluator=_Run.EVALUATOR_EXTERNAL,
    )
    run = await call.create(OptimizationRun, wanted, hidden={"grant_id": None})
    space = variable_space_pb2.VariableSpace()
    for each in NAMES:
        space.variables.add(name=each, float=variable_space_pb2.FloatDomain(low=0, high=1))
    async with call.transaction() as tx:
        await keep(tx, await call.row(OptimizationRun, run.id), space, None)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_HISTORY, {"count": history, "run": run.id})
        connection.execute(_COUNT, {"count": history, "run": run.id})
        connection.execute("ANALYZE optimizer.trials")
    return str(run.id)


async def _rate(
    bench: Workbench, caller: Caller, url: str, strategy: Any, history: int, clients: int, ahead: int
) -> float:
    run = await opened(bench, url, strategy, history)
    await _one(caller, run, "warm")
    until, began = time.perf_counter() + SECONDS, time.perf_counter()
    work = _ahead(caller, run, until, ahead) if ahead else _by_one(caller, run, until)
    done = await asyncio.gather(*(work(f"client {n}") for n in range(clients)))
    return float(sum(done) / (time.perf_counter() - began))


def _by_one(caller: Caller, run: str, until: float) -> Any:
    async def work(client: str) -> int:
        done = 0
        while time.perf_counter() < until and await _one(caller, run, client):
            done += 1
        return done

    return work


def _ahead(caller: Caller, run: str, until: float, ahead: int) -> Any:
    """Returns what a client does that tells so many trials in one call and gets the next with it."""

    async def work(client: str) -> int:
        done, answer = 0, await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client=client, count=ahead))
        trials = answer.trials
        while trials and time.perf_counter() < until:
            told = [_told(trial) for trial in trials]
            request = pb.CompleteTrialsRequest(id=run, client=client, completions=told, next_count=ahead)
            answer = await caller.do("CompleteTrials", request)
            done, trials = done + len(trials), answer.next
        return done

    return work


async def _one(caller: Caller, run: str, client: str) -> bool:
    answer = await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client=client))
    told = [_told(trial) for trial in answer.trials]
    if told:
        await caller.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client=client, completions=told))
    return bool(told)


def _told(trial: Any) -> pb.TrialCompletion:
    return pb.TrialCompletion(number=trial.number, objectives={"gain": trial.configuration["a"] / 2})


async def _added(bench: Workbench, caller: Caller, url: str, history: int) -> tuple[float, float]:
    """Returns the milliseconds of a warm suggestion, and of raw Optuna's ask on as much history, bounded alike."""
    run = await opened(bench, url, _Run.STRATEGY_BAYESIAN, history)
    times, raw = [], []
    study, free = study_in_memory(min(history, 1000))
    for _ in range(15):
        began = time.perf_counter()
        answer = await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client="one"))
        times.append(time.perf_counter() - began)
        told = pb.TrialCompletion(number=answer.trials[0].number, objectives={"gain": 0.1})
        await caller.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client="one", completions=[told]))
        began = time.perf_counter()
        trial = study.ask(free)
        raw.append(time.perf_counter() - began)
        study.tell(trial, 0.1)
    return median(times[1:]) * 1000, median(raw[1:]) * 1000


if __name__ == "__main__":
    main()
