"""OSS Vizier's and MLflow's share of `asking`: each from its wheels, in an environment and in processes of its own.

Nothing of them is a requirement of ours: they are installed below the bench's folder while it runs, and what does not
install, or does not run, is said and left out.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
from rich.console import Console

_HERE = Path(__file__).parent
INSTALL_SECONDS, RUN_SECONDS = 900.0, 300.0
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Peer:
    """A service that trials are asked of or told to: what it is called, its wheels, and the script that asks it."""

    name: str
    requirements: tuple[str, ...]
    script: str


# Vizier's server imports JAX and what stands on it, random search or not, and does not run with today's.
_JAX = ("jax==0.4.38", "flax==0.10.2", "optax==0.2.4", "chex==0.1.88", "equinox==0.11.7", "numpy<2.3", "scipy<1.16")
PEERS = (
    Peer("OSS Vizier, SQLite", ("google-vizier", *_JAX, "tfp-nightly==0.26.0.dev20250301"), "asked_vizier.py"),
    Peer("MLflow, bare logging", ("mlflow", "psycopg[binary]"), "asked_mlflow.py"),
)


class Absent(Exception):  # noqa: N818 - an answer rather than a fault
    """A peer that cannot be measured here, and why."""


def asked_of_peers(home: Path, url: str, seconds: float) -> dict[tuple[str, str, int], tuple[float, float]]:
    """Returns trials a second of one and of eight clients, of random search without history; says who is absent."""
    return dict(_rates(home, url, seconds))


def _rates(home: Path, url: str, seconds: float) -> Iterator[tuple[tuple[str, str, int], tuple[float, float]]]:
    for peer in PEERS:
        folder = home / peer.script.removesuffix(".py")
        try:
            python = _installed(peer, folder)
            one, eight = json.loads(_run([python, "-P", str(_HERE / peer.script), *_told(url, folder), str(seconds)]))
        except Absent as why:
            Console().print(f"{peer.name} is not here: {why}")
        else:
            yield (peer.name, "random", 0), (one, eight)


def _told(url: str, folder: Path) -> tuple[str, str]:
    """Returns where a peer may keep what it knows: a database of its own, and a folder."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {folder.name}")
    return f"{url.rsplit('/', 1)[0]}/{folder.name}", str(folder)


def _installed(peer: Peer, folder: Path) -> str:
    """Returns the interpreter of an environment that has the peer's wheels; raises Absent."""
    _run([sys.executable, "-m", "venv", str(folder)], INSTALL_SECONDS)
    python = str(folder / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", *peer.requirements], INSTALL_SECONDS)
    return python


def _run(command: list[str], most: float = RUN_SECONDS) -> str:
    """Returns the last line that a command prints; raises Absent with what it said last where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=most, env=_environment(), check=False)
    except subprocess.TimeoutExpired:
        raise Absent(f"it took longer than {most:.0f} s") from None
    if done.returncode:
        raise Absent((done.stderr.strip().splitlines() or ["it said nothing"])[-1])
    return (done.stdout.strip().splitlines() or [""])[-1]


def _environment() -> dict[str, str]:
    # Not our path: a peer's interpreter must find its own modules.
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | _QUIET
