"""Which rows of a matrix no other row dominates."""

from typing import TypeAlias

import numpy as np

Matrix: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
Mask: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def undominated(rows: Matrix) -> Mask:
    """Tells of every row whether no other is nowhere smaller and somewhere larger; equal rows stand together."""
    if not len(rows):
        return np.zeros(0, dtype=bool)
    unique, places = np.unique(rows, axis=0, return_inverse=True)
    stands = np.zeros(len(unique), dtype=bool)
    left = np.arange(len(unique))[::-1]
    # From the lexicographically largest down: whatever is left at the head, nothing dominates.
    while len(left):
        head = left[0]
        stands[head] = True
        left = left[(unique[left] > unique[head]).any(axis=1)]
    return stands[places.reshape(-1)]
