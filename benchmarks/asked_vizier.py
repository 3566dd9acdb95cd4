"""Asks OSS Vizier for trials; run by an interpreter that has it: `asked_vizier.py URL FOLDER SECONDS`.

The server has a process of its own and keeps its studies in SQLite: given PostgreSQL, it hands the driver an option
that only SQLite has. Prints trials a second of one and of eight clients as JSON.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from absl import logging
from vizier.service import clients
from vizier.service import pyvizier as vz


def main(folder: str, seconds: float) -> None:
    """Starts the server, asks it, and stops it."""
    command = [sys.executable, "-P", __file__, "serve", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            clients.environment_variables.server_endpoint = server.stdout.readline().strip()
            _rate(1, 1.0)  # what is loaded and compiled once is not asked for
            print(json.dumps([_rate(count, seconds) for count in (1, 8)]))
        finally:
            server.terminate()


def serve(folder: str) -> None:
    """Serves until it is stopped; prints where."""
    from vizier._src.service import vizier_server

    logging.set_verbosity(logging.ERROR)
    server = vizier_server.DefaultVizierServer(host="127.0.0.1", database_url=f"sqlite:///{folder}/vizier.db")
    print(server.endpoint, flush=True)
    while True:
        time.sleep(3600)


def _rate(count: int, seconds: float) -> float:
    study = _study(f"{count} for {seconds}")
    until = time.perf_counter() + seconds

    def work(number: int) -> int:
        done = 0
        while time.perf_counter() < until:
            (trial,) = study.suggest(count=1, client_id=f"client {number}")
            trial.complete(vz.Measurement({"gain": trial.parameters["a"] / 2}))
            done += 1
        return done

    with ThreadPoolExecutor(count) as pool:
        began = time.perf_counter()
        return sum(pool.map(work, range(count))) / (time.perf_counter() - began)


def _study(name: str) -> Any:
    wanted = vz.StudyConfig(algorithm="RANDOM_SEARCH")
    for each in "abcd":
        wanted.search_space.root.add_float_param(each, 0.0, 1.0)
    wanted.metric_information.append(vz.MetricInformation("gain", goal=vz.ObjectiveMetricGoal.MAXIMIZE))
    return clients.Study.from_study_config(wanted, owner="bench", study_id=name)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        main(sys.argv[2], float(sys.argv[3]))
