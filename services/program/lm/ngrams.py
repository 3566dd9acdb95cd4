"""Character n-grams of a text as a sparse vector: case-folded, boundary-marked, log-weighted, of unit length."""

import math
from collections import Counter

from services.program.lm.remembered import remembered

Vector = dict[str, float]


@remembered
def vector(text: str) -> Vector:
    """Returns the log-tf vector of the text's character 1-, 2- and 3-grams, of unit length; shared, never changed."""
    marked = f"^{text.casefold()}$"
    counts = Counter(marked[i : i + n] for n in (1, 2, 3) for i in range(len(marked) - n + 1))
    weights = {gram: 1.0 + math.log(count) for gram, count in counts.items()}
    length = math.sqrt(sum(w * w for w in weights.values()))
    return {gram: w / length for gram, w in weights.items()}


def cosine(a: Vector, b: Vector) -> float:
    """Returns the cosine of two unit vectors, 0 to 1."""
    if len(a) > len(b):
        a, b = b, a
    return sum(w * b[gram] for gram, w in a.items() if gram in b)
