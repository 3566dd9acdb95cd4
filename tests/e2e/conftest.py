"""The whole stack, as `make up` starts it, on ports and in a home of its own; identity tokens hold for two seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deploy.local import postgres
from deploy.local.ports import free_port
from deploy.local.state import State
from tests.e2e.api import Api, founded
from tests.e2e.misbehaving import misbehaving
from tests.e2e.positions import FUZZED

ORIGIN = "https://app.example.org"
GUESSES = 300
"""How many calls without a credential that holds an address may make at once; it wins back two a second."""
ROOT = Path(__file__).resolve().parent.parent.parent


class Stack:
    """A running stack: its home, its gateway, its processes."""

    def __init__(self, home: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.home = home
        self.port = port
        self.process = process

    def pid(self, name: str) -> int:
        """Returns the pid of a process."""
        return next(p.pid for p in State(self.home).read() if p.name == name)


@contextmanager
def running(home: Path, root: Path = ROOT, **told: str) -> Iterator[Stack]:
    """Runs everything from a source tree, on ports and in a home of its own, for the length of a block."""
    port = free_port()
    settings = {"HOME": str(home), "PORT": str(port), "BASE_PORT": str(free_port(12))}
    settings |= {"DRAIN_SECONDS": "0.2", **told}  # streams between services would fill any more
    environment = os.environ | {f"ASHGROVE_{k}": v for k, v in settings.items()}
    environment["PYTHONPATH"] = f"{root}:{root / 'client'}"
    log = (home / "supervisor.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.local", "up"], cwd=root, env=environment, stdout=log, stderr=log
    )
    try:
        _wait(home, process)
        yield Stack(home, port, process)
    finally:
        process.terminate()
        process.wait(timeout=150)
        log.close()
        postgres.remove(home)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says how much the tenant walls were tried with."""
    if FUZZED:
        terminalreporter.write_line("tenant walls: " + ", ".join(f"{count} {what}" for what, count in FUZZED.items()))


@pytest.fixture(scope="session")
def models() -> Iterator[str]:
    """Where models that misbehave answer."""
    with misbehaving() as url:
        yield url


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, models: str) -> Iterator[Stack]:
    """Starts everything, which may ask the models that misbehave, and takes it down again."""
    told = {"IDENTITY_TOKEN_SECONDS": "2", "ALLOWED_ORIGINS": ORIGIN, "AUDIT_SUMMARY_SECONDS": "1"}
    told |= {"EGRESS_ALLOW": urlsplit(models).netloc}
    told |= {"ANONYMOUS_RATE": "2", "ANONYMOUS_BURST": str(GUESSES)}
    with running(tmp_path_factory.mktemp("stack"), **told) as made:
        # Once: the first who asks for metrics waits until registered code was imported, longer than two seconds' tokens
        # hold on a busy machine; a run asks for them before anything else, and goes on with the same token.
        Api(made.port, (made.home / "admin.key").read_text().strip()).get("/v1/metrics")
        yield made


def _wait(home: Path, process: "subprocess.Popen[bytes]") -> None:
    while not any(p.name == "envoy" for p in State(home).read()):
        assert process.poll() is None, (home / "supervisor.log").read_text()
        time.sleep(0.1)


@pytest.fixture(scope="session")
def operator(stack: Stack) -> Api:
    """Who runs the platform."""
    return Api(stack.port, (stack.home / "operator.key").read_text().strip())


@pytest.fixture(scope="session")
def admin(operator: Api) -> Api:
    """The administrator of an organization of the tests' own."""
    return founded(operator, "ours")


@pytest.fixture(scope="session")
def stranger(operator: Api) -> Api:
    """The administrator of another organization."""
    return founded(operator, "theirs")
