"""The table that people see."""

from collections.abc import Mapping

import psutil
from rich.table import Table

from deploy.local.state import Running


def table(processes: list[Running], total: float | None = None, behind: Mapping[str, str] | None = None) -> Table:
    """Returns one row per process: name, address, seconds to ready, memory, and by how many events its feed is ahead.

    Of that, `behind` tells by service: what its slowest consumer has not dealt with, and what waits for numbers.
    """
    made = Table(title=f"ready in {total:.1f} s" if total is not None else None, title_justify="left")
    for heading in ("process", "address", "pid"):
        made.add_column(heading)
    for heading in ("seconds to ready", "MB"):
        made.add_column(heading, justify="right")
    if behind is not None:
        made.add_column("events behind", justify="right")
    for process in processes:
        if process.name != "supervisor":
            memory = megabytes(process.pid) if process.alive else "gone"
            told = [] if behind is None else [behind.get(process.name, "")]
            made.add_row(process.name, process.address, str(process.pid), f"{process.seconds:.1f}", memory, *told)
    return made


def megabytes(pid: int) -> str:
    """Returns the memory that a process and its children hold by themselves (USS), in megabytes."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
        return f"{sum(p.memory_full_info().uss for p in family) / 1e6:.0f}"
    except psutil.Error:
        return "gone"
