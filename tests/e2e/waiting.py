"""Waiting in a test without an event loop, for what the stack does."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(holds: Callable[[], T]) -> T:
    """Returns what something returns once that is something; the test's own timeout ends a wait in vain."""
    while not (found := holds()):
        time.sleep(0.05)
    return found
