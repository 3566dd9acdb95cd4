"""What is known of programs has bounds: those that were used last, and none that is large."""

from ashgrove.program.v1 import program_pb2

from framework.identifiers import new_id
from services.program.defaults import Defaults
from services.program.known import MOST, MOST_BYTES, Known, Read

ORGANIZATION = new_id()


def read(description: str = "") -> Read:
    """A program as it was read."""
    return Read(program_pb2.Program(description=description), Defaults())


def test_what_was_used_last_is_known_longest() -> None:
    known = Known()
    keys = [(ORGANIZATION, str(i), 0) for i in range(MOST + 1)]
    for key in keys[:MOST]:
        known.keep(key, read())
    assert known.find(keys[0])
    known.keep(keys[MOST], read())
    assert [known.find(key) is not None for key in (keys[0], keys[1], keys[MOST])] == [True, False, True]


def test_what_is_large_is_not_kept_nor_what_was_known_in_its_place() -> None:
    known, key = Known(), (ORGANIZATION, "a", 0)
    known.keep(key, read())
    known.keep(key, read("x" * MOST_BYTES))
    assert known.find(key) is None
