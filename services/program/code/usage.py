"""What processes use, read from /proc: memory, CPU time, and who belongs to whom."""

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


@dataclass(frozen=True)
class Usage:
    """What one process uses; its CPU time has that of its children in it that have ended."""

    resident_bytes: int
    cpu_seconds: float
    parent: int
    session: int


def usage(pid: int) -> Usage | None:
    """Returns what a process uses now; None when it is gone."""
    try:
        # The name, in parentheses, may hold anything; the state and the numbers come behind its last parenthesis.
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    ticks = sum(int(field) for field in fields[11:15])
    return Usage(int(fields[21]) * _PAGE, ticks / _TICK, int(fields[1]), int(fields[3]))


def own_cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process without that of its children, as RLIMIT_CPU counts it."""
    with suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK
    return 0.0


def family(pid: int, mark: bytes = b"") -> set[int]:
    """Returns the processes that come from one: its descendants, its session's, and those that carry its mark."""
    seen = {each: used for each in _pids() if (used := usage(each))}
    found = {other for other, used in seen.items() if used.session == pid or (mark and _carries(other, mark))}
    found.add(pid)
    while more := {other for other, used in seen.items() if used.parent in found} - found:
        found |= more
    return found - {pid}


def shared_fairly(pids: Collection[int]) -> int:
    """Returns the memory of processes together in bytes, what they share counted once (PSS)."""
    return sum(_rollup(pid, "Pss") for pid in pids)


def alone(pid: int) -> int:
    """Returns the memory in bytes that only this process has (USS)."""
    return _rollup(pid, "Private_Clean") + _rollup(pid, "Private_Dirty")


def _pids() -> Iterator[int]:
    return (int(each.name) for each in _PROC.iterdir() if each.name.isdigit())


def _rollup(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def _carries(pid: int, mark: bytes) -> bool:
    with suppress(OSError):
        return mark in (_PROC / str(pid) / "environ").read_bytes()
    return False
