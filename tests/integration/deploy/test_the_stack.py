"""`python -m deploy.local`, as people use it: real processes in a home of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import postgres, ready
from deploy.local.feeds import behind
from deploy.local.ports import free_port, is_free
from deploy.local.state import State

ROOT = Path(__file__).resolve().parent.parent.parent.parent


class Home:
    """The home of one stack and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.base = free_port(12)
        self.told = {
            "HOME": str(folder),
            "PORT": str(self.port),
            "BASE_PORT": str(self.base),
            "PROGRAM_WORKERS": "1",
            "DRAIN_SECONDS": "1",
        }

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Runs a command to its end."""
        environment = os.environ | {f"ASHGROVE_{k}": v for k, v in self.told.items()}
        environment |= {"PYTHONPATH": f"{ROOT}:{ROOT / 'client'}", "COLUMNS": "200"}
        command = [sys.executable, "-m", "deploy.local", *arguments]
        # A file, not a pipe: a detached stack would hold the pipe open.
        log = self.folder / "command.log"
        with log.open("w") as out:
            done = subprocess.run(command, cwd=ROOT, env=environment, stdout=out, stderr=out, timeout=250, check=False)
        return subprocess.CompletedProcess(command, done.returncode, log.read_text(), "")

    def pids(self) -> dict[str, int]:
        """Returns the processes by name."""
        return {p.name: p.pid for p in State(self.folder).read()}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a running stack."""
    made = Home(tmp_path_factory.mktemp("stack"))
    try:
        done = made.run("up", "--detach")
        assert done.returncode == 0, done.stdout
        yield made
    finally:
        made.run("down")
        postgres.remove(made.folder)


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until a condition holds; the test's own timeout ends a wait in vain."""
    while not holds():
        time.sleep(0.1)


def test_a_second_up_finds_the_first(home: Home) -> None:
    """Nothing is started twice; the table of what runs is shown again."""
    before = home.pids()
    done = home.run("up")
    assert done.returncode == 0
    assert "already running" in done.stdout
    assert all(name in done.stdout for name in before if name != "supervisor")
    assert home.pids() == before


def test_no_service_knows_the_superuser(home: Home) -> None:
    """The superuser's password is in no service's environment, and no secret in anybody's arguments."""
    password = (home.folder / "secrets" / "postgres.password").read_text()
    for name, pid in home.pids().items():
        process = psutil.Process(pid)
        assert password not in " ".join(process.cmdline())
        if name not in {"supervisor", "postgres"}:
            assert password not in json.dumps(process.environ())


def test_secrets_are_their_owners_alone(home: Home) -> None:
    """Neither the secrets nor the administrator's key can be read by anybody else."""
    files = [home.folder / "secrets", *(home.folder / "secrets").iterdir(), home.folder / "admin.key"]
    assert not [f for f in files if f.stat().st_mode & 0o077]


def test_the_status_tells_who_is_behind(home: Home) -> None:
    """A running stack catches up with its feeds: nothing is behind in the end."""
    assert "behind" in home.run("status").stdout
    eventually(
        lambda: (
            behind(home.folder, State(home.folder).read())
            == dict.fromkeys(("auth", "program", "variables", "optimizer", "audit"), "0")
        )
    )


def test_a_services_command_is_run_as_the_stack_runs_it(home: Home) -> None:
    """With its secrets and its database; whoever names no service is told which there are."""
    before = home.run("run", "auth", "lag")
    assert before.returncode == 0, before.stdout + before.stderr
    done = home.run("run", "auth", "rotate-signing-key")
    assert done.returncode == 0 and "signing with" in done.stdout, done.stdout + done.stderr
    assert list((home.folder / "secrets").glob("retired-*.pem"))
    refused = home.run("run", "nobody", "lag")
    assert refused.returncode == 1 and "there are auth, program" in refused.stdout + refused.stderr


@pytest.mark.parametrize("name", ["variables", "valkey", "postgres"])
def test_a_process_that_dies_is_reported_and_restarted(home: Home, name: str) -> None:
    """A killed process runs again under a new pid, the gateway becomes healthy, and the log tells of it."""
    died = home.pids()[name]
    os.kill(died, signal.SIGKILL)
    eventually(lambda: home.pids()[name] != died and psutil.pid_exists(home.pids()[name]))
    eventually(lambda: ready.answers(home.port))
    assert re.search(rf"{name} ended", (home.folder / "logs" / "supervisor.log").read_text())


def test_a_killed_supervisor_leaves_nothing_in_the_way(home: Home) -> None:
    """After its supervisor was killed, `up` ends what is left and starts again with the same data and key."""
    key = (home.folder / "admin.key").read_text()
    before = home.pids()
    os.kill(before["supervisor"], signal.SIGKILL)
    eventually(lambda: State(home.folder).supervisor() is None)
    done = home.run("up", "--detach")
    assert done.returncode == 0, done.stdout
    assert not [n for n, pid in before.items() if home.pids()[n] == pid]
    assert (home.folder / "admin.key").read_text() == key
    assert ready.answers(home.port)


def test_down_ends_every_process(home: Home) -> None:
    """After `down` nothing of the stack lives, its ports are free, and a second `down` says so."""
    before = State(home.folder).read()
    assert home.run("down").returncode == 0
    assert not [p.name for p in before if p.alive]
    assert is_free(home.port)
    assert "nothing runs" in home.run("down").stdout
    assert home.run("status").returncode == 1
