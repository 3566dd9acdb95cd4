"""What is written down about a stack, and what is refused before one starts."""

import importlib.metadata
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local import postgres, valkey
from deploy.local.faults import StackFault
from deploy.local.leftovers import end_leftovers, only_one
from deploy.local.postgres import Place, Postgres
from deploy.local.processes import TUNING, ProcessPlan, Servers, environment, ports, service_plans
from deploy.local.settings import StackSettings
from deploy.local.state import Running, State, running
from deploy.local.supervisor import Supervisor
from services.audit.__main__ import AuditSettings
from services.auth.application import AuthSettings
from services.program.settings import ProgramSettings

SERVERS = Servers(
    "postgresql://127.0.0.1:1/ashgrove", "postgresql://root:word@127.0.0.1:1/ashgrove", "roles", "redis://"
)


def settings(home: Path, **changed: object) -> StackSettings:
    """Returns settings that do not depend on this machine's variables."""
    return StackSettings.model_validate({"home": home, "port": 8080, "base_port": 50051} | changed)


def plans(home: Path) -> list[ProcessPlan]:
    """Returns the plans of a stack with two program workers."""
    return service_plans(settings(home), SERVERS)


def test_a_stack_is_found_by_what_it_wrote(tmp_path: Path) -> None:
    """What was written is read back, and the supervisor is found while it lives."""
    state = State(tmp_path)
    mine = running("supervisor", os.getpid(), "", 0.0)
    state.write([mine])
    assert state.read() == [mine]
    assert state.supervisor() == mine


def test_a_reused_pid_is_another_process(tmp_path: Path) -> None:
    """A pid whose process started at another time is not the one that was written down."""
    state = State(tmp_path)
    state.write([replace(running("supervisor", os.getpid(), "", 0.0), started=1.0)])
    assert state.supervisor() is None


def test_leftovers_that_are_gone_are_not_ended(tmp_path: Path) -> None:
    """Only processes that still are what was written down are ended."""
    State(tmp_path).write([Running("auth", os.getpid(), 1.0, "", 0.0)])
    assert end_leftovers(tmp_path) == []


def test_a_home_has_one_stack(tmp_path: Path) -> None:
    """A second stack in the same home is refused while the first holds it, and not after."""
    with only_one(tmp_path), pytest.raises(StackFault, match="ASHGROVE_HOME"), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass


def test_ports_follow_the_base(tmp_path: Path) -> None:
    """All service ports move together with ASHGROVE_BASE_PORT, each used once."""
    low, high = ports(settings(tmp_path)), ports(settings(tmp_path, base_port=51000))
    assert {name: port + 949 for name, port in low.items()} == high
    assert len(set(low.values())) == len(low)


def test_the_number_of_program_workers_is_told(tmp_path: Path) -> None:
    """There are as many program workers as ASHGROVE_PROGRAM_WORKERS says."""
    three = service_plans(settings(tmp_path, program_workers=3), SERVERS)
    assert [p.name for p in three if p.name.startswith("program-worker")] == [f"program-worker-{i}" for i in (1, 2, 3)]


def test_services_get_an_explicit_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service is told what is meant for it, never what happens to be around, and never the superuser's password."""
    monkeypatch.setenv("SOME_TOKEN", "secret")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    told = environment(settings(tmp_path, lm="openai/some"), SERVERS)
    assert "SOME_TOKEN" not in told
    assert not [v for v in told.values() if "root:word" in v]
    assert told["OPENBLAS_NUM_THREADS"] == "1"
    assert told["ASHGROVE_LM"] == "openai/some"
    assert told["ASHGROVE_OPTIMIZER_ADDRESS"] == "127.0.0.1:50054"


def test_each_process_has_its_own_port(tmp_path: Path) -> None:
    """The port that a process is told is the one where it is waited for."""
    assert all(p.environment["ASHGROVE_SERVICE_PORT"] == str(p.port) for p in plans(tmp_path))


def test_a_relative_home_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Servers run in other folders, so a home is absolute."""
    monkeypatch.chdir(tmp_path)
    assert settings(Path("here")).home == tmp_path / "here"


def test_a_busy_gateway_port_is_told_with_its_remedy(tmp_path: Path) -> None:
    """Nothing is started when the gateway's port is taken; the sentence names the port and the setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        stack = Supervisor(settings(tmp_path, port=port), Console(quiet=True))
        with pytest.raises(StackFault, match=rf"port {port} is busy.*ASHGROVE_PORT"):
            stack._start()
    assert not stack.processes


def test_data_of_another_version_is_told_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder of another PostgreSQL is never touched; the sentence names both versions and what to do."""
    data = tmp_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("19\n")
    monkeypatch.setattr(postgres, "place", lambda _: Place(tmp_path, data, None))
    with pytest.raises(StackFault, match=r"PostgreSQL 19, this is 18: move .* ASHGROVE_DATABASE_URL"):
        Postgres(tmp_path, 1).start()


@pytest.mark.parametrize("server", [postgres, valkey])
def test_a_missing_wheel_is_told_with_its_remedy(server: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its wheel, a server says which package is missing and how to get it."""

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(StackFault, match="is missing: run `make setup`"):
        postgres.place(Path("home")) if server is postgres else valkey.binary()


def test_an_external_server_is_not_started(tmp_path: Path) -> None:
    """With ASHGROVE_DATABASE_URL and ASHGROVE_REDIS_URL set, theirs are used; services are not told the superuser."""
    theirs = {"database_url": "postgresql://boss:word@db:5432/ashgrove", "redis_url": "redis://cache:6379/0"}
    stack = Supervisor(settings(tmp_path, **theirs), Console(quiet=True))
    servers = stack._servers()
    assert stack.postgres is None
    assert stack.valkey is None
    assert servers.database_url == "postgresql://db:5432/ashgrove"
    assert servers.redis_url == "redis://cache:6379/0"


def test_services_are_told_what_tunes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits, lives and days reach them as they were given; each is a setting that some process reads."""
    for name in TUNING:
        monkeypatch.setenv(name, f"given {name}")
    told = environment(settings(tmp_path), SERVERS)
    assert {name: told[name] for name in TUNING} == {name: f"given {name}" for name in TUNING}
    read = {name for known in (AuthSettings, AuditSettings, ProgramSettings) for name in known.model_fields}
    assert {name.removeprefix("ASHGROVE_").lower() for name in TUNING} <= read
