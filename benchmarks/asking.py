"""Suggest and complete in external runs, beside Optuna over its gRPC proxy and on its RDB, on one embedded PostgreSQL.

Ours goes over gRPC with the real interceptors, identity tokens, story, front and audit events, its callers and the
service in one process; Optuna's proxy has a process of its own. All commit durably. Figures are trials a second.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import optuna
import psycopg
import uvloop
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.variables.v1 import variable_space_pb2
from rich.console import Console
from rich.table import Table

from deploy.local.ports import free_port, is_free
from deploy.local.postgres import postgres
from framework.testing.serving import Caller, served
from framework.testing.workbench import Workbench, workbench
from services.optimizer.external.space import keep
from services.optimizer.resources import OptimizationRun, registry
from services.optimizer.warm import WarmRuns
from services.optimizer.watched import Watched

SECONDS = 4.0
_NAMES = ("a", "b", "c", "d")
_MIGRATIONS = Path(__file__).parents[1] / "services" / "optimizer" / "migrations"
_Run = run_pb.OptimizationRun
_PROXY = "import sys; from optuna.storages import RDBStorage, run_grpc_proxy_server as run; "
_PROXY += "run(RDBStorage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
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
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as home, postgres(Path(home)) as server:
        table = Table("what", "1 client", "8 clients", title="suggest + complete, 4 parameters, trials/s")
        theirs = dict(_theirs(server.admin_url))
        ours = uvloop.run(_ours(server.admin_url))
        for name, (one, eight) in (theirs | ours).items():
            table.add_row(name, f"{one:.1f}", f"{eight:.1f}")
        Console().print(table)


def _theirs(url: str) -> Iterator[tuple[str, tuple[float, float]]]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE peers")
    peers = f"postgresql+psycopg{url.removeprefix('postgresql').rsplit('/', 1)[0]}/peers"
    storage: Any = optuna.storages.RDBStorage(peers)
    yield "Optuna, RDB direct, random", _both(lambda: storage)
    with _proxy(peers) as port:
        yield "Optuna, gRPC proxy, random", _both(lambda: optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port))


@contextmanager
def _proxy(url: str) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", _PROXY, url, str(port)], stderr=subprocess.DEVNULL)
    try:
        while is_free(port):
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def _both(storage: Callable[[], Any]) -> tuple[float, float]:
    return _optuna(storage, 1), _optuna(storage, 8)


def _optuna(storage: Callable[[], Any], clients: int) -> float:
    name = optuna.create_study(storage=storage(), direction="maximize").study_name

    def work(number: int) -> int:
        study = optuna.load_study(
            study_name=name, storage=storage(), sampler=optuna.samplers.RandomSampler(seed=number)
        )
        done, until = 0, time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            trial = study.ask()
            study.tell(trial, sum(trial.suggest_float(each, 0, 1) for each in _NAMES))
            done += 1
        return done

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        done = sum(pool.map(work, range(clients)))
    return done / (time.perf_counter() - began)


async def _ours(url: str) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    async with workbench(registry(), url, _MIGRATIONS, _Peers()) as bench, served(bench) as service:
        caller = service.as_actor(bench.user)
        for strategy, name in ((_Run.STRATEGY_RANDOM, "random"), (_Run.STRATEGY_BAYESIAN, "TPE")):
            for history in (0, 1000, 9000):
                rates = [await _rate(bench, caller, url, strategy, history, clients) for clients in (1, 8)]
                found[f"ours, {name}, {history:,} trials before"] = (rates[0], rates[1])
        for history in (1000, 9000):
            added = await _added(bench, caller, url, history)
            told = f"{added[0]:.1f} ms; raw ask {added[1]:.1f} ms"
            Console().print(f"a warm TPE suggestion at {history:,} trials: {told}")
    return found


async def _opened(bench: Workbench, url: str, strategy: Any, history: int) -> str:
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
    for each in _NAMES:
        space.variables.add(name=each, float=variable_space_pb2.FloatDomain(low=0, high=1))
    async with call.transaction() as tx:
        await keep(tx, await call.row(OptimizationRun, run.id), space, None)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_HISTORY, {"count": history, "run": run.id})
        connection.execute(_COUNT, {"count": history, "run": run.id})
        connection.execute("ANALYZE optimizer.trials")
    return str(run.id)


async def _rate(bench: Workbench, caller: Caller, url: str, strategy: Any, history: int, clients: int) -> float:
    run = await _opened(bench, url, strategy, history)
    await _one(caller, run, "warm")
    until, began = time.perf_counter() + SECONDS, time.perf_counter()

    async def work(client: str) -> int:
        done = 0
        while time.perf_counter() < until and await _one(caller, run, client):
            done += 1
        return done

    done = await asyncio.gather(*(work(f"client {n}") for n in range(clients)))
    return sum(done) / (time.perf_counter() - began)


async def _one(caller: Caller, run: str, client: str) -> bool:
    answer = await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client=client))
    if not answer.trials:
        return False
    (trial,) = answer.trials
    told = pb.TrialCompletion(number=trial.number, objectives={"gain": trial.configuration["a"] / 2})
    await caller.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client=client, completions=[told]))
    return True


async def _added(bench: Workbench, caller: Caller, url: str, history: int) -> tuple[float, float]:
    """Returns the milliseconds of a warm suggestion, and of raw Optuna's ask on as much history, bounded alike."""
    run = await _opened(bench, url, _Run.STRATEGY_BAYESIAN, history)
    times, raw = [], []
    study = _study(min(history, 1000))
    for _ in range(15):
        began = time.perf_counter()
        answer = await caller.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client="one"))
        times.append(time.perf_counter() - began)
        told = pb.TrialCompletion(number=answer.trials[0].number, objectives={"gain": 0.1})
        await caller.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client="one", completions=[told]))
        began = time.perf_counter()
        trial = study.ask({each: optuna.distributions.FloatDistribution(0, 1) for each in _NAMES})
        raw.append(time.perf_counter() - began)
        study.tell(trial, 0.1)
    return median(times[1:]) * 1000, median(raw[1:]) * 1000


def _study(count: int) -> Any:
    sampler = optuna.samplers.TPESampler(seed=1, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    free = {each: optuna.distributions.FloatDistribution(0, 1) for each in _NAMES}
    source = optuna.samplers.RandomSampler(seed=2)._rng.rng
    for _ in range(count):
        values = {each: float(source.random()) for each in _NAMES}
        study.add_trial(optuna.create_trial(params=values, distributions=free, value=float(source.random()) / 2))
    return study


if __name__ == "__main__":
    main()
