"""Likeness of texts by their vectors; and vectors of a weak kind for where there is no model that makes any."""

import math
import zlib
from collections.abc import Sequence

LOCAL = "local/ngrams"
"""The weak kind: how often each three letters occur. It says nothing of meaning."""

_DIMENSION = 1024


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the cosine of the angle between two vectors, -1 to 1; 0 where one of them is nothing."""
    size, other_size = math.hypot(*one), math.hypot(*other)
    if not (size and other_size):
        return 0.0
    # Of length 1 first: products of what is large, or small, are beyond all doubles.
    return max(-1.0, min(1.0, math.fsum((x / size) * (y / other_size) for x, y in zip(one, other, strict=True))))


def ngrams(text: str) -> list[float]:
    """Return a text as counts of its trigrams, hashed into places."""
    padded, vector = f"  {text.casefold().strip()}  ", [0.0] * _DIMENSION
    for start in range(len(padded) - 2):
        vector[zlib.crc32(padded[start : start + 3].encode("utf-8", "surrogatepass")) % _DIMENSION] += 1.0
    return vector
