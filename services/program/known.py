"""Programs as this process read them last: an execution is judged by them, and made only while they stand as read."""

from dataclasses import dataclass
from uuid import UUID

from ashgrove.program.v1 import program_pb2

from framework.engine import Call
from framework.engine.standing import Clause, standing
from services.program.defaults import Defaults
from services.program.resources.program import Program

MOST, MOST_BYTES = 256, 65_536
"""How many programs are known, and how large each may be."""
Key = tuple[UUID, str, int]
"""Whose program it is, which, and which revision was asked for: 0 for the current one."""


@dataclass(frozen=True)
class Read:
    """A program as it was read, with its organization's defaults; nobody may change it."""

    program: program_pb2.Program
    defaults: Defaults

    def standing(self, call: Call, verb: str) -> Clause:
        """Returns the clause that both stand as they were read, and that the caller may do this to the program."""
        program, its = standing(call, Program, self.program.id, verb, int(self.program.etag))
        defaults, theirs = self.defaults.standing(call)
        return f"{program} AND {defaults}", {**its, **theirs}


class Known:
    """The programs that were read last; whoever uses one asks, with what is written by it, whether it stands."""

    def __init__(self) -> None:
        self._read: dict[Key, Read] = {}

    def find(self, key: Key) -> Read | None:
        """Returns a program as it was read, None where it has to be read."""
        found = self._read.pop(key, None)
        if found is not None:
            self._read[key] = found  # the last to be forgotten
        return found

    def keep(self, key: Key, read: Read) -> None:
        """Keeps a program as it was read, unless it is large."""
        self.forget(key)
        if read.program.ByteSize() <= MOST_BYTES:
            self._read[key] = read
        if len(self._read) > MOST:
            self.forget(next(iter(self._read)))

    def forget(self, key: Key) -> None:
        """Forgets a program, such as one that does not stand any more."""
        self._read.pop(key, None)
