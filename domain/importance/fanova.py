"""Functional analysis of variance (Hutter, Hoos and Leyton-Brown, 2014) on the boxes of our trees.

Of the variance that a tree predicts over the whole domain, a variable's share is that of the mean over all others, a
pair's what both together explain beyond each alone.
"""

import numpy as np

from domain.importance.forest import Floats, Tree


class Analysis:
    """One tree's variance, taken apart; measures are each bin's share of the domain, by column."""

    def __init__(self, tree: Tree, measures: Floats) -> None:
        self.measures = measures
        self.boxes = tree.boxes  # a byte each: as doubles those of 1,000 columns and 32 trees are 400 MB
        boxes = tree.boxes.astype(float)
        self.widths = np.einsum("lcb,cb->lc", boxes, measures)
        self.volumes = self.widths.prod(axis=1)
        self.mean = float((self.volumes * tree.means).sum())
        self.centred = tree.means - self.mean
        self.variance = float((self.volumes * self.centred**2).sum())
        # What a leaf adds to the mean at a bin: its prediction, by the volume that is left when the column is fixed.
        with np.errstate(divide="ignore", invalid="ignore"):
            self.shares = np.where(self.widths > 0, self.volumes[:, None] / self.widths, 0.0)
        self.curves = np.einsum("l,lc,lcb->cb", self.centred, self.shares, boxes)

    def main(self) -> Floats:
        """Return the share of the variance that each column explains alone."""
        return self._share((self.measures * self.curves**2).sum(axis=1))

    def pair(self, one: int, other: int) -> float:
        """Return the share of the variance that two columns explain together, beyond each alone."""
        rest = np.where(self.widths[:, other] > 0, self.shares[:, one] / np.maximum(self.widths[:, other], 1e-300), 0.0)
        joint = (self.boxes[:, one] * (self.centred * rest)[:, None]).T @ self.boxes[:, other].astype(float)
        beyond = joint - self.curves[one][:, None] - self.curves[other][None, :]
        return float(self._share(np.array(self.measures[one] @ beyond**2 @ self.measures[other])))

    def _share(self, variances: Floats) -> Floats:
        return variances / self.variance if self.variance > 1e-18 else np.zeros_like(variances)
