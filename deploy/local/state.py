"""What is written down about a running stack, so that a second `up`, `down` and `status` find it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Running:
    """One process of the stack."""

    name: str
    pid: int
    started: float
    address: str
    seconds: float
    """From its start to ready."""

    @property
    def alive(self) -> bool:
        """Whether that very process still runs; a reused pid has another start time."""
        try:
            process = psutil.Process(self.pid)
            return process.status() != psutil.STATUS_ZOMBIE and abs(process.create_time() - self.started) < 2
        except psutil.NoSuchProcess:
            return False


class State:
    """The file `state.json` of a home: the supervisor and its processes."""

    def __init__(self, home: Path) -> None:
        self.file = home / "state.json"

    def write(self, processes: list[Running]) -> None:
        """Writes the processes down, whole or not at all."""
        partial = self.file.with_suffix(".new")
        partial.write_text(json.dumps([asdict(p) for p in processes], indent=1))
        partial.replace(self.file)

    def read(self) -> list[Running]:
        """Returns what was written down; nothing when there is no such file."""
        if not self.file.exists():
            return []
        return [Running(**entry) for entry in json.loads(self.file.read_text())]

    def supervisor(self) -> Running | None:
        """Returns the supervisor when one runs."""
        return next((p for p in self.read() if p.name == "supervisor" and p.alive), None)

    def clear(self) -> None:
        """Forgets the stack."""
        self.file.unlink(missing_ok=True)


def running(name: str, pid: int, address: str, seconds: float) -> Running:
    """Returns a process that has just become ready."""
    return Running(name, pid, psutil.Process(pid).create_time(), address, round(seconds, 2))
