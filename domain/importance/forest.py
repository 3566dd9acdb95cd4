"""Regression trees over bins, each on a sample of the trials drawn with replacement; a leaf is a box of bins."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.importance.features import BINS, Column

WIDTH = BINS + 2
"""How many bins a column may have, those of custom values and of inactivity included."""

MOST_LEAVES = 48
FEWEST_TRIALS = 3
"""How many trials a leaf has at least."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tree:
    """Leaves: what each predicts, and which bins of each column belong to it (leaf, column, bin)."""

    means: Floats
    boxes: NDArray[np.bool_]


class Table:
    """The trials as a forest learns from them: codes by trial and column, and each bin's share of the domain."""

    def __init__(self, columns: Sequence[Column], scores: Floats) -> None:
        self.codes = np.stack([column.codes for column in columns], axis=1).astype(np.int64)
        self.scores = scores
        self.ordered = np.array([column.ordered for column in columns])
        self.measures = np.stack([_measure(column) for column in columns])
        self.used = self.measures > 0
        self._offsets = np.arange(len(columns)) * WIDTH

    def tree(self, random: np.random.Generator) -> Tree:
        """Return a tree on a sample of the trials."""
        count = len(self.scores)
        drawn = random.integers(0, count, count)
        leaves = [_Leaf(drawn, self.used.copy())]
        splits = [self._split(leaves[0])]
        while len(leaves) < MOST_LEAVES:
            best = int(np.argmax([split[0] for split in splits]))
            if splits[best][0] <= 0:
                break
            leaf, (_, column, left) = leaves[best], splits[best]
            halves = leaf.halves(self.codes, column, left)
            leaves[best], splits[best] = halves[0], self._split(halves[0])
            leaves.append(halves[1])
            splits.append(self._split(halves[1]))
        means = np.array([self.scores[leaf.trials].mean() for leaf in leaves])
        return Tree(means, np.stack([leaf.box for leaf in leaves]))

    def _split(self, leaf: "_Leaf") -> tuple[float, int, NDArray[np.bool_]]:
        """Return the best split of a leaf: how much variance it explains, the column, and the bins to the left."""
        nothing = (0.0, 0, np.zeros(WIDTH, dtype=bool))
        if len(leaf.trials) < 2 * FEWEST_TRIALS:
            return nothing
        scores = self.scores[leaf.trials]
        scores = scores - scores.mean()
        at = (self.codes[leaf.trials] + self._offsets).ravel()
        size = len(self._offsets) * WIDTH
        counts, sums = (
            np.asarray(np.bincount(at, weights, size), dtype=np.float64).reshape(-1, WIDTH)
            for weights in (np.ones(len(at)), np.repeat(scores, len(self._offsets)))
        )
        # Bins without an order are lined up by their means, empty ones last: so the best split is a cut.
        keys = np.where(self.ordered[:, None], np.arange(WIDTH), _means(sums, counts))
        keys = np.where(counts > 0, keys, np.inf) if not self.ordered.all() else keys
        order = np.argsort(keys, axis=1, kind="stable")
        left, above = (np.cumsum(np.take_along_axis(each, order, 1), axis=1) for each in (counts, sums))
        right = len(scores) - left
        fits = (left >= FEWEST_TRIALS) & (right >= FEWEST_TRIALS)
        gains = np.where(fits, above**2 / np.maximum(left, 1) + above**2 / np.maximum(right, 1), 0.0)
        column, cut = divmod(int(np.argmax(gains)), WIDTH)
        if gains[column, cut] <= 1e-12:
            return nothing
        chosen = np.zeros(WIDTH, dtype=bool)
        chosen[order[column, : cut + 1]] = True
        return float(gains[column, cut]), column, chosen


@dataclass(frozen=True)
class _Leaf:
    trials: NDArray[np.int64]
    box: NDArray[np.bool_]

    def halves(self, codes: NDArray[np.int64], column: int, left: NDArray[np.bool_]) -> tuple["_Leaf", "_Leaf"]:
        goes = left[codes[self.trials, column]]
        boxes = self.box.copy(), self.box.copy()
        boxes[0][column] &= left
        boxes[1][column] &= ~left
        return _Leaf(self.trials[goes], boxes[0]), _Leaf(self.trials[~goes], boxes[1])


def _means(sums: Floats, counts: Floats) -> Floats:
    return np.asarray(np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0))


def _measure(column: Column) -> Floats:
    """Return each bin's share: even over the domain, and that of inactivity as it occurs."""
    inactive = 1.0 - float(column.active.mean())
    shares = np.zeros(WIDTH)
    shares[: column.bins] = (1 - inactive) / column.bins
    shares[column.bins] = inactive
    return shares
