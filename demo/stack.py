"""The stack that the demo runs on: the one that runs already, or one of its own that it takes down again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


def _stack(*arguments: str, quiet: bool = False) -> int:
    out = subprocess.DEVNULL if quiet else None
    return subprocess.run([sys.executable, "-m", "deploy.local", *arguments], stdout=out, check=False).returncode


@contextmanager
def running(console: Console) -> Iterator[None]:
    """Keeps a stack running for the length of a block, and leaves things as they were."""
    found = _stack("status", quiet=True) == 0
    if found:
        console.print("the stack runs already; the demo uses it", style="dim")
    elif _stack("up", "--detach") != 0:
        raise SystemExit("demo: the stack did not start; the lines above say why")
    try:
        yield
    finally:
        if not found:
            _stack("down", quiet=True)
