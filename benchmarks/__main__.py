"""`make bench`: measures against the running stack, interleaved with the baseline, and prints medians and ratios."""

import json
import runpy
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import Any

import psycopg
from ashgrove.client import Client
from ashgrove.programs import field
from ashgrove.settings import ClientSettings
from rich.console import Console
from rich.table import Table

from benchmarks.load import Target
from deploy.local.ports import free_port, is_free
from deploy.local.state import State
from framework.call import Actor, ActorKind, Role
from services.auth.tokens import read_tokens

ROUNDS = 3
console = Console()


def main() -> None:
    """Measures `GetProgram`: bare, over gRPC, and over REST through Envoy."""
    settings = ClientSettings()
    running = {p.name: p.address for p in State(settings.home).read()}
    if "envoy" not in running:
        sys.exit("bench: nothing runs; start the stack with `make up`")
    url = f"postgresql://ashgrove_admin:{_password(settings)}@{running['postgres']}/ashgrove"
    program, token = _prepared(settings, url)
    with _bare(url) as bare:
        targets = {
            "bare handler": Target("grpc", bare, program, ""),
            "GetProgram, gRPC": Target("grpc", running["program"], program, token),
            "GetProgram, REST through Envoy": Target("rest", running["envoy"], program, settings.key()),
        }
        rounds = [{name: _measured(t) for name, t in targets.items()} for _ in range(ROUNDS)]
    console.print(_report(rounds, list(targets)))


def _password(settings: ClientSettings) -> str:
    return (settings.home / "secrets" / "postgres.password").read_text()


def _prepared(settings: ClientSettings, url: str) -> tuple[str, str]:
    """Makes a program, and an identity token of its owner."""
    with Client(settings.gateway, api_key=settings.key()) as client:
        fields = [field("text")], [field("language", choices=["fr", "sv"])]
        name = f"bench {uuid.uuid4().hex[:8]}"
        program = client.programs.create(name, instructions="", inputs=fields[0], outputs=fields[1])
    with psycopg.connect(url) as connection:
        query = "SELECT organization_id FROM program.programs WHERE id = %s"
        found: Any = connection.execute(query, (program.id,)).fetchone()
    tokens = read_tokens(settings.home / "secrets", access_seconds=900, identity_seconds=900)
    actor = Actor(ActorKind.USER, program.owner_id, found[0], Role.ADMIN)
    return program.id, tokens.issue_identity(actor).text


@contextmanager
def _bare(url: str) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bare", url, str(port)])
    try:
        while is_free(port):
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _measured(target: Target) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.load", json.dumps(asdict(target))]
    answer: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return answer


def _report(rounds: list[dict[str, dict[str, float]]], names: list[str]) -> Table:
    table = Table("what", "calls/s", "p50 ms", "p99 ms", "of bare", title=f"32 callers, median of {ROUNDS} rounds")
    base = median(r[names[0]]["per_second"] for r in rounds)
    for name in names:
        per_second, p50, p99 = (median(r[name][k] for r in rounds) for k in ("per_second", "p50_ms", "p99_ms"))
        table.add_row(name, f"{per_second:.0f}", f"{p50:.1f}", f"{p99:.1f}", f"{per_second / base:.2f}")
    return table


if __name__ == "__main__":
    if sys.argv[1:]:  # another measurement, by the name of its module
        runpy.run_module(f"benchmarks.{sys.argv[1]}", run_name="__main__")
    else:
        main()
