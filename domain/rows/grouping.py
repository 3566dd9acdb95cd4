"""Divides examples into splits by a hash of what belongs together: nothing ever moves, whatever is added later."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from domain.values import Json, canonical_json

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Division:
    """How many of a hundred groups go where; the rest are for tests."""

    train: int = 60
    validation: int = 20
    salt: str = ""

    def split(self, group: str) -> str:
        """Returns `train`, `validation` or `test`: the same for the same group, salt and percentages."""
        share = int.from_bytes(_hash(f"{self.salt}\x1f{group}")[:8], "big") * 100
        if share < self.train << 64:
            return "train"
        return "validation" if share < (self.train + self.validation) << 64 else "test"


def group_of(values: Iterable[Json]) -> str:
    """Returns what values share that differ in case, punctuation and spacing only, as 16 hexadecimal digits.

    Text is its words: NFKC, case folded, what is no letter, digit or underscore left out; texts without any word are
    taken as they are. Other values are their canonical JSON.
    """
    return group_of_words(map(words_of, values))


def group_of_words(words: Iterable[str]) -> str:
    """Returns what values share, given their words."""
    return _hash("\x1f".join(words))[:8].hex()


def words_of(value: Json) -> str:
    """Returns what of a value makes its group."""
    if not isinstance(value, str):
        return canonical_json(value).decode()
    # ASCII is composed already; asking about it costs less than composing it.
    text = value.lower() if value.isascii() else unicodedata.normalize("NFKC", value).casefold()
    return " ".join(_WORD.findall(text)) or value


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
