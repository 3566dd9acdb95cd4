"""Remembers what was made of texts: those asked about last, as many as have so many letters in all."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")
LETTERS = 500_000
"""What is made of a letter takes some 300 bytes at worst: a bound on the number of texts would be none on memory."""


class Remembered(Generic[T]):
    """A function of texts that makes the same of one again only when it was forgotten; what it returns is shared."""

    def __init__(self, make: Callable[[str], T], letters: int = LETTERS) -> None:
        self._make = make
        self._most = letters
        self._letters = 0
        self._known: OrderedDict[str, T] = OrderedDict()
        self._lock = Lock()

    def __call__(self, text: str) -> T:
        """Returns what is made of a text."""
        with self._lock:
            if text in self._known:
                self._known.move_to_end(text)
                return self._known[text]
        made = self._make(text)
        self._keep(text, made)
        return made

    @property
    def letters(self) -> int:
        """How many letters the texts have that are remembered."""
        return self._letters

    def _keep(self, text: str, made: T) -> None:
        with self._lock:
            if text not in self._known:
                self._known[text] = made
                self._letters += len(text)
            while self._letters > self._most:
                self._letters -= len(self._known.popitem(last=False)[0])


def remembered(make: Callable[[str], T]) -> Remembered[T]:
    """Has a function of texts remember, within the usual bound."""
    return Remembered(make)
