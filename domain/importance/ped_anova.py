"""Main effects by PED-ANOVA (Watanabe, Bansal and Hutter, 2023), the objective oriented so that more is better.

What matters differs between the best trials and all of them: a variable's importance is the Pearson divergence of its
distribution among the best tenth from that among all. What chance alone would give, by random orders of the scores, is
taken off, so that variables of many values do not seem to matter by having them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from domain.importance.features import Column, Weights

BEST_SHARE = 0.1
"""Which part of the trials counts as the best."""

FEWEST_BEST = 5
ORDERS = 20
"""How many random orders tell what chance gives."""


def divergences(
    table: Sequence[Column], gains: NDArray[np.float64], weights: Weights, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the divergence of every column (axis 1) for every row of trial weights (axis 0), less that of chance."""
    top = _best(gains, weights)
    chance = np.stack([_best(random.permutation(gains), np.ones((1, len(gains))))[0] for _ in range(ORDERS)])
    everyone = np.ones_like(chance)
    found = np.empty((len(weights), len(table)))
    for place, column in enumerate(table):
        own = _divergence(column, top, weights)
        found[:, place] = np.maximum(own - _divergence(column, chance, everyone).mean(), 0)
    return found


def _best(gains: NDArray[np.float64], weights: Weights) -> Weights:
    """Return the part of each weight that belongs to the best; of trials that are equally good, equal parts."""
    order = np.argsort(-gains, kind="stable")
    ranked = weights[:, order]
    starts = np.flatnonzero(np.r_[True, np.diff(gains[order]) != 0])
    tied = np.add.reduceat(ranked, starts, axis=1)
    wanted = np.maximum(np.ceil(BEST_SHARE * weights.sum(axis=1)), FEWEST_BEST)[:, None]
    before = np.cumsum(tied, axis=1) - tied
    share = np.clip(wanted - before, 0, tied) / np.maximum(tied, 1e-300)
    spread = np.repeat(share, np.diff(np.r_[starts, len(gains)]), axis=1) * ranked
    found = np.empty_like(weights)
    found[:, order] = spread
    return found


def _divergence(column: Column, top: Weights, everyone: Weights) -> NDArray[np.float64]:
    hit = np.zeros((len(column.codes), column.bins))
    active = column.active
    hit[np.flatnonzero(active), column.codes[active]] = 1
    best, total = top @ hit, everyone @ hit
    if column.ordered:
        kernel = _kernel(column.bins, max(float(np.median(top.sum(axis=1))), 2.0))
        best, total = best @ kernel, total @ kernel
    whole = total / np.maximum(total.sum(axis=1, keepdims=True), 1e-300)
    # One trial's weight of what holds for all: an empty bin among few is no proof.
    part = (best + whole) / (best.sum(axis=1, keepdims=True) + 1)
    ratio = np.divide(part, whole, out=np.ones_like(part), where=whole > 1e-12)
    return np.asarray((whole * (ratio - 1) ** 2).sum(axis=1))


def _kernel(bins: int, count: float) -> NDArray[np.float64]:
    """Return how each bin's weight spreads over its neighbours: Scott's bandwidth for an even distribution."""
    width = bins * 12**-0.5 * count**-0.2
    distance = np.subtract.outer(np.arange(bins), np.arange(bins))
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    return np.asarray(kernel / kernel.sum(axis=1, keepdims=True))
