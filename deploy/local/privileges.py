"""Starting a server as another user than root."""

import sys
from collections.abc import Sequence

_BECOME = """
import os, sys
user = int(sys.argv[1])
os.setgroups([])
os.setgid(user)
os.setuid(user)
os.execv(sys.argv[2], sys.argv[2:])
"""


def as_user(user: int | None, command: Sequence[str]) -> list[str]:
    """Returns a command that does another one as a user, under the same pid; the command itself where there is none.

    Not by Popen's `user`, for which it forks: with gRPC's threads in a process its child may die before it begins.
    """
    return list(command) if user is None else [sys.executable, "-I", "-S", "-c", _BECOME, str(user), *command]
