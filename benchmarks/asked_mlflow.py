"""Writes trials down in MLflow; run by an interpreter that has it: `asked_mlflow.py URL FOLDER SECONDS`.

MLflow suggests nothing: a trial is a run that is created, told four parameters and a metric, and ended, in the fewest
calls that do it. The server has processes of its own and keeps its runs in PostgreSQL. Prints trials a second of one
and of eight clients as JSON.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection
from socket import create_server

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

READY_SECONDS = 180.0


def main(url: str, folder: str, seconds: float) -> None:
    """Starts the server, asks it, and stops it."""
    with create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", url, "--artifacts-destination", f"{folder}/artifacts"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(server, port)
        client = MlflowClient(f"http://127.0.0.1:{port}")
        _rate(client, 1, 1.0)  # what is loaded once is not asked for
        print(json.dumps([_rate(client, count, seconds) for count in (1, 8)]))
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _wait_for(server: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError):
            connection = HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.5)
    raise SystemExit(f"MLflow's server has ended, or was not ready within {READY_SECONDS:.0f} s")


def _rate(client: MlflowClient, count: int, seconds: float) -> float:
    experiment = client.create_experiment(f"{count} for {seconds}")
    until = time.perf_counter() + seconds

    def work(number: int) -> int:
        done, source = 0, random.Random(number)
        while time.perf_counter() < until:
            run = client.create_run(experiment).info.run_id
            values = {each: source.random() for each in "abcd"}
            params = [Param(name, str(value)) for name, value in values.items()]
            client.log_batch(run, params=params, metrics=[Metric("gain", values["a"] / 2, int(time.time() * 1000), 0)])
            client.set_terminated(run)
            done += 1
        return done

    with ThreadPoolExecutor(count) as pool:
        began = time.perf_counter()
        return sum(pool.map(work, range(count))) / (time.perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
