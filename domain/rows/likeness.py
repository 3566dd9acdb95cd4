"""Near-duplicates: texts most of whose shingles are the same, found among many by MinHash in bands (Broder 1997)."""

import hashlib
from zlib import crc32

import numpy as np

SHINGLE = 4
"""How many letters stand together in a shingle."""
BANDS, ROWS = 20, 4
"""A pair of likeness s shares a band with probability 1 - (1 - s⁴)²⁰: 0.996 at 0.7, above 0.99997 at 0.8."""
LEAST = 0.7
"""The least likeness that is looked for; what is less alike would be missed too often."""


def shingles(text: str) -> frozenset[str]:
    """Return all pieces of a text of SHINGLE letters; of a shorter one the text."""
    return frozenset(text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1)))


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the share of the shingles of both that they have in common, 0 to 1."""
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def bands(pieces: frozenset[str]) -> list[int]:
    """Return what a text shares at least one of with most that are like it: 64-bit numbers, everywhere the same."""
    hashes = np.fromiter((crc32(each.encode("utf-8", "surrogatepass")) for each in pieces), np.uint64, len(pieces))
    # Multiply, add, shift: the upper half of what wraps around at 64 bits is a universal hash (Dietzfelbinger 1996).
    least = ((hashes[:, None] * _FACTORS + _TERMS) >> np.uint64(32)).min(axis=0).astype("<u4").reshape(BANDS, ROWS)
    return [_number(bytes([index]) + row.tobytes()) for index, row in enumerate(least)]


def _number(told: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big", signed=True)


def _constants(name: str, low_bit: int) -> np.ndarray:
    found = (hashlib.sha256(f"{name} {i}".encode()).digest()[:8] for i in range(BANDS * ROWS))
    return np.array([int.from_bytes(each, "big") | low_bit for each in found], np.uint64)


_FACTORS, _TERMS = _constants("factor", 1), _constants("term", 0)
