"""How long a service takes to compile and verify its declarations when it starts; each in fresh processes.

`python -m benchmarks start [rounds]`; medians, in milliseconds. Imports are told beside it: they are Python's and
protobuf's.
"""

import json
import subprocess
import sys
from statistics import median

from rich.console import Console
from rich.table import Table

from services.describe import SERVICES

ROUNDS = 7
_CODE = """
import json, sys, time
began = time.perf_counter()
from importlib import import_module
module = import_module(f"services.{sys.argv[1]}.registry")
imported = time.perf_counter()
registry = module.registry()
verified = time.perf_counter()
print(json.dumps([imported - began, verified - imported, len(registry.specs), len(registry.methods)]))
"""


def main(rounds: int = ROUNDS) -> None:
    """Measures every service, and prints the sum as if they were one."""
    table = Table("service", "resources", "RPCs", "imports", "spec and verify", title=f"medians of {rounds} starts, ms")
    sums = [0.0, 0.0]
    for service in SERVICES:
        seen = [_started(service) for _ in range(rounds)]
        times = [median(one[i] for one in seen) * 1000 for i in (0, 1)]
        sums = [a + b for a, b in zip(sums, times, strict=True)]
        table.add_row(service, f"{seen[0][2]:.0f}", f"{seen[0][3]:.0f}", *(f"{each:.0f}" for each in times))
    table.add_row("all of them", "", "", *(f"{each:.0f}" for each in sums))
    Console().print(table)


def _started(service: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", _CODE, service], capture_output=True, text=True, check=True)
    found: list[float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main(int(sys.argv[2]) if sys.argv[2:] else ROUNDS)
