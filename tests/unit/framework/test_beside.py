"""Servers in processes of their own: they tell where they are, or that they are not."""

import os
from typing import Any

import pytest

from framework.testing.beside import beside


def tells(given: str, pipe: Any) -> None:
    """Serves, in a way: until it is told to end."""
    pipe.send((given, os.getpid()))
    pipe.recv()


def dies(pipe: Any) -> None:
    """Ends before it serves."""
    os._exit(3)


def test_a_process_serves_for_the_length_of_a_block() -> None:
    """It is another process, and it is gone afterwards."""
    with beside(tells, "what it was given") as (given, pid):
        assert given == "what it was given" and pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_that_dies_at_its_start_is_not_waited_for() -> None:
    """What it ended with is said; nobody waits on a pipe that nobody writes to."""
    with pytest.raises(RuntimeError, match="ended with 3 before it served"), beside(dies):
        pass
