"""Seeds derived from seeds, and random numbers that are the same on every machine."""

import hashlib
from functools import cached_property

import numpy as np

_LARGEST_SEED = 2**63 - 1


def digest(*parts: int | str, size: int = 16) -> int:
    """Return a number of `size` bytes that depends on every part and on nothing else (BLAKE2b)."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big")


def suggestion_seed(run_seed: int, number: int, attempt: int = 0) -> int:
    """Return the seed of one suggestion of a run, a non-negative 64-bit number."""
    return digest(run_seed, "suggestion", number, attempt, size=8) & _LARGEST_SEED


class Draw:
    """A stream of random numbers fixed by its parts.

    It uses PCG64's raw output and arithmetic of its own: numpy keeps bit generators stable for ever, but not what
    `Generator` makes of their bits.
    """

    def __init__(self, *parts: int | str) -> None:
        self._parts = parts

    @cached_property
    def _bits(self) -> np.random.PCG64:
        # Only when it is asked for: most points of a design decide everything by themselves.
        return np.random.PCG64(digest(*self._parts))

    def unit(self) -> float:
        """Return a double in [0, 1), of 53 random bits."""
        return (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def below(self, count: int) -> int:
        """Return an integer in [0, count), each equally likely; count is at most 2^64."""
        fair = 2**64 - 2**64 % count
        while (raw := int(self._bits.random_raw())) >= fair:
            pass
        return raw % count
