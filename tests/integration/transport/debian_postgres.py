"""PostgreSQL with TLS: Debian's server, for the wheel's has none."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from deploy.local.ports import free_port
from deploy.local.privileges import as_user
from tests.trust import Trust

_NOBODY = 65534
PASSWORD = "for-tests-only"
_ONLY_TLS = "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\n"


def binaries() -> Path | None:
    """Returns the folder of the newest server that Debian installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
    return found[-1].parent if found else None


@contextmanager
def secured_postgres(trust: Trust) -> Iterator[str]:
    """Runs a server that takes nothing but TLS with certificates of the authority, and yields a superuser's URL."""
    # Not below pytest's own folder: every pytest that begins beside us closes that to others, and root's server is one.
    with TemporaryDirectory(prefix="ashgrove-postgres-") as home:
        yield from _secured(Path(home), trust)


def _secured(folder: Path, trust: Trust) -> Iterator[str]:
    server = binaries()
    assert server is not None
    port, data = free_port(), folder / "data"
    folder.chmod(0o777)
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o644)
    _run([server / "initdb", "-D", data, "-U", "admin", "--auth=scram-sha-256", "--pwfile", password, "--no-sync"])
    pair = trust.pair("postgres")
    files = {"server.crt": pair.certificate, "server.key": pair.key, "root.crt": trust.file}
    for name, file in files.items():
        _install(data / name, file.read_bytes())
    _install(data / "pg_hba.conf", _ONLY_TLS.encode())
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
    settings |= {"ssl": "on", "ssl_ca_file": "root.crt", "max_connections": 40}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        command = _as_nobody([server / "postgres", "-D", data, *options])
        process = subprocess.Popen(command, stderr=log, stdout=log, cwd="/")
    try:
        url = f"postgresql://admin:{PASSWORD}@127.0.0.1:{port}/postgres?sslmode=verify-full"
        _wait(url, trust, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, trust: Trust, process: "subprocess.Popen[bytes]") -> None:
    mine = trust.settings("starting").with_files(url, ("sslcert", "sslkey", "sslrootcert"), asked=True)
    while True:
        try:
            psycopg.connect(mine).close()
            return
        except psycopg.OperationalError:
            assert process.poll() is None, "the server ended"
            time.sleep(0.02)


def _install(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    if os.geteuid() == 0:
        os.chown(path, _NOBODY, _NOBODY)


def _as_nobody(command: list[object]) -> list[str]:
    return as_user(_NOBODY if os.geteuid() == 0 else None, [str(word) for word in command])


def _run(command: list[object]) -> None:
    subprocess.run(_as_nobody(command), check=True, capture_output=True, cwd="/")
