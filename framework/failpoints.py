"""Failpoints: named places at which a test has a process killed, as by `kill -9`; in earnest none is armed.

A module declares its own beside its code, `NUMBERED = Failpoint("feed.numbered", "…")`, and passes it by `NUMBERED()`,
which costs one look at a number while it is not armed. A process arms one at its start, by its `failpoint` setting.
"""

import importlib
import os
import pkgutil
import signal
from collections.abc import Mapping

_declared: dict[str, "Failpoint"] = {}


class Failpoint:
    """One place: its name, such as `feed.numbered`, and what is done and what is not when a process dies there."""

    __slots__ = ("_left", "name", "stands")

    def __init__(self, name: str, stands: str) -> None:
        if name in _declared:
            raise ValueError(f"there are two failpoints {name}")
        self.name = name
        self.stands = stands
        self._left = 0
        _declared[name] = self

    def __call__(self) -> None:
        """Passes by, unless this is the passing at which the process is to die."""
        if self._left:
            self._count_down()

    def _count_down(self) -> None:
        self._left -= 1
        if not self._left:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self, passing: int) -> None:
        """Has the process killed at that passing from now, counted from 1; 0 disarms it."""
        self._left = passing


def arm(told: str) -> None:
    """Arms what a setting says, such as `feed.numbered` or `feed.numbered=3` for the third passing; nothing when empty.

    Raises ValueError for a name that nothing declares and for what is no passing.
    """
    if not told:
        return
    name, _, passing = told.partition("=")
    if name not in _declared:
        raise ValueError(f"there is no failpoint {name}: there are {', '.join(sorted(_declared))}")
    if passing and not (passing.isdecimal() and int(passing)):
        raise ValueError(f"{told}: what follows = is the passing at which to die, from 1")
    _declared[name].arm(int(passing or 1))


def declared(package: str) -> Mapping[str, str]:
    """Returns what each failpoint stands for, by name, that a process of the package can come to, whichever it is."""
    for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
        importlib.import_module(module.name)
    return {name: _declared[name].stands for name in sorted(_declared)}
