"""Optuna's share of `asking`: its RDB storage on PostgreSQL, directly and behind its gRPC proxy."""

import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import optuna
import psycopg

from deploy.local.ports import free_port, is_free

NAMES = ("a", "b", "c", "d")
DIRECT, PROXY = "Optuna, RDB direct", "Optuna, gRPC proxy"
_PROXY = "import sys; from optuna.storages import RDBStorage, run_grpc_proxy_server as run; "
_PROXY += "run(RDBStorage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
_SAMPLERS: dict[str, Callable[[int], Any]] = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True),
}
# Finished trials as its own clients would have left them: by itself it adds some twenty a second.
_HISTORY = (
    """INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
       SELECT n, %(study)s, 'COMPLETE', now(), now() FROM generate_series(0, %(count)s - 1) AS n""",
    """INSERT INTO trial_values (trial_id, objective, value, value_type)
       SELECT trial_id, 0, random() / 2, 'FINITE' FROM trials WHERE study_id = %(study)s""",
    """INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
       SELECT trial_id, name, random(), %(free)s FROM trials, unnest(%(names)s::text[]) AS name
       WHERE study_id = %(study)s""",
    "ANALYZE",
)


def asked_of_optuna(
    url: str, strategies: Sequence[str], histories: Sequence[int], seconds: float
) -> dict[tuple[str, str, int], tuple[float, float]]:
    """Returns trials a second of one and of eight clients, by who was asked, strategy and history."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE peers")
    plain = f"{url.rsplit('/', 1)[0]}/peers"
    peers = f"postgresql+psycopg{plain.removeprefix('postgresql')}"
    storage: Any = optuna.storages.RDBStorage(peers)
    found = {}
    with _proxy(peers) as port:
        for who, reach in (
            (DIRECT, lambda: storage),
            (PROXY, lambda: optuna.storages.GrpcStorageProxy(host="127.0.0.1", port=port)),
        ):
            for strategy in strategies:
                for history in histories:
                    one, eight = [_rate(plain, reach, strategy, history, clients, seconds) for clients in (1, 8)]
                    found[who, strategy, history] = one, eight
    return found


def study_in_memory(count: int) -> tuple[Any, dict[str, Any]]:
    """Returns a study in memory with so many finished trials, and the distributions to ask it with."""
    study = optuna.create_study(direction="maximize", sampler=_SAMPLERS["TPE"](1))
    free: dict[str, Any] = {each: optuna.distributions.FloatDistribution(0, 1) for each in NAMES}
    source = optuna.samplers.RandomSampler(seed=2)._rng.rng
    for _ in range(count):
        values = {each: float(source.random()) for each in NAMES}
        study.add_trial(optuna.create_trial(params=values, distributions=free, value=float(source.random()) / 2))
    return study, free


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


def _rate(url: str, storage: Callable[[], Any], strategy: str, history: int, clients: int, seconds: float) -> float:
    study = optuna.create_study(storage=storage(), direction="maximize")
    free = optuna.distributions.distribution_to_json(optuna.distributions.FloatDistribution(0, 1))
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _HISTORY if history else ():
            given = {"study": study._study_id, "count": history, "free": free, "names": list(NAMES)}
            connection.execute(statement, given if "%(" in statement else None)

    def work(number: int) -> int:
        mine = optuna.load_study(study_name=study.study_name, storage=storage(), sampler=_SAMPLERS[strategy](number))
        mine.get_trials(deepcopy=False)  # as if it had been there all the time
        done, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            trial = mine.ask()
            mine.tell(trial, sum(trial.suggest_float(each, 0, 1) for each in NAMES))
            done += 1
        return done

    with ThreadPoolExecutor(clients) as pool:
        began = time.perf_counter()
        return sum(pool.map(work, range(clients))) / (time.perf_counter() - began)
