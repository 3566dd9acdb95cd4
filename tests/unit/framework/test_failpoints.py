"""Failpoints: nothing happens at one that is not armed; an armed one ends the process at the passing that was named."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from framework import failpoints
from tests.crash.ways import EVERY

PASSES = """
import sys
from framework.failpoints import Failpoint, arm
place = Failpoint("here", "three passings are ahead")
arm(sys.argv[1])
for number in range(3):
    place()
    print(number, flush=True)
"""


@pytest.mark.parametrize(("told", "passed", "code"), [("", 3, 0), ("here=2", 1, -signal.SIGKILL)])
def test_a_process_dies_where_it_was_told_to_and_nowhere_else(told: str, passed: int, code: int) -> None:
    """By SIGKILL: nothing is flushed, closed or rolled back in order."""
    done = subprocess.run([sys.executable, "-c", PASSES, told], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (code, [str(n) for n in range(passed)])


@pytest.mark.parametrize("told", ["no.such", "write.recorded=0", "write.recorded=x", "write.recorded=-1", "=1"])
def test_what_cannot_be_armed_keeps_a_process_from_starting(told: str) -> None:
    """A crash test with a misspelt name would else test nothing."""
    import framework.storage.database  # noqa: F401 - declares write.recorded

    with pytest.raises(ValueError, match=r"failpoint|passing"):
        failpoints.arm(told)


def test_a_name_is_one_place() -> None:
    """Two places of one name could not be told apart."""
    import framework.storage.database  # noqa: F401 - declares write.recorded

    with pytest.raises(ValueError, match="two failpoints"):
        failpoints.Failpoint("write.recorded", "again")


@pytest.fixture(scope="module")
def declared() -> Mapping[str, str]:
    """What the processes of every service can die at, workers too."""
    services = ("audit", "auth", "optimizer", "program", "variables")
    return {name: stands for each in services for name, stands in failpoints.declared(f"services.{each}").items()}


def test_at_every_failpoint_some_test_has_a_process_die(declared: Mapping[str, str]) -> None:
    """A new one finds its place in tests/crash/ways.py, whose names the suites of `make test-full` walk."""
    assert set(declared) == EVERY


def test_the_page_lists_every_failpoint(declared: Mapping[str, str]) -> None:
    """With what stands and what does not when a process dies there."""
    page = Path("docs/testing.md").read_text()
    assert not [name for name, stands in declared.items() if f"| `{name}` | {stands} |" not in page]
