"""The statements that are prepared on a connection: the last few hundred, by names of our own."""

from itertools import count
from weakref import WeakKeyDictionary

from framework.storage.pipelines import Connection

MOST = 200
"""How many statements are prepared on a connection; one more takes the place of the one that was used longest ago."""
_numbers = count()


class Prepared:
    """What is prepared on one connection."""

    def __init__(self) -> None:
        self._names: dict[bytes, bytes] = {}
        """By text, the one that was used longest ago first."""

    def name(self, text: bytes) -> bytes | None:
        """Returns the name of a statement that is used now; None where it is not prepared."""
        name = self._names.pop(text, None)
        if name is not None:
            self._names[text] = name
        return name

    def keep(self, text: bytes, name: bytes) -> None:
        """Notes that a statement is prepared."""
        self._names[text] = name

    def surplus(self) -> bytes | None:
        """Returns the name of what has to go for another, and forgets it; None where there is room."""
        return self._names.pop(next(iter(self._names))) if len(self._names) >= MOST else None

    def forget(self, text: bytes) -> None:
        """Notes that a statement has to be prepared anew."""
        self._names.pop(text, None)

    def clear(self) -> None:
        """Notes that nothing is prepared any more."""
        self._names.clear()


def prepared_on(connection: Connection) -> Prepared:
    """Returns what is prepared on a connection."""
    found = _prepared.get(connection)
    if found is None:
        found = _prepared[connection] = Prepared()
    return found


def new_name() -> bytes:
    """Returns a name that no statement has: one may be there still whose preparing was not heard of."""
    return b"direct_%d" % next(_numbers)


_prepared: WeakKeyDictionary[Connection, Prepared] = WeakKeyDictionary()
