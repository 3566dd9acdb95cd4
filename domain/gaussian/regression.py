"""Gaussian process regression: a Matérn-5/2 kernel with a length scale for each leaf, fitted to the most likely.

The priors are those of Hvarfner, Hellsten and Nardi (2024): length scales grow with the square root of the number of
leaves, so that a model of many leaves does not begin by taking every point for unlike every other.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.optimize import minimize

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]

SCALE_SPREAD = math.sqrt(3)
NOISE_CENTRE, NOISE_SPREAD = -6.0, 2.0
LEAST_NOISE = 1e-6
STEPS = 60
_ROOT_5 = math.sqrt(5)


@dataclass(frozen=True)
class Process:
    """A fitted process: what it knows of any point follows from the points that it has seen."""

    points: Matrix
    groups: NDArray[np.intp]
    inverse_scales: Vector
    noise: float
    centre: float
    spread: float
    factor: Matrix
    weights: Vector

    def predict(self, points: Matrix) -> tuple[Vector, Vector]:
        """Return mean and standard deviation of the noiseless value at each row, in the observations' own unit."""
        kernel = matern(_squares(points, self.points, self.groups, self.inverse_scales).sum(axis=0))
        mean = kernel @ self.weights
        left = solve_triangular(self.factor, kernel.T, lower=True, check_finite=False)
        deviation = np.sqrt(np.maximum(1.0 - np.einsum("ij,ij->j", left, left), 1e-12))
        return self.centre + self.spread * mean, self.spread * deviation

    def believing(self, points: Matrix) -> "Process":
        """Return the process as if what it expects at these points had been seen: it keeps away from them."""
        if not len(points):
            return self
        seen, expected = np.vstack([self.points, points]), self.predict(points)[0]
        values = np.concatenate([self._values(), (expected - self.centre) / self.spread])
        return _solved(seen, self.groups, values, self.inverse_scales, self.noise, (self.centre, self.spread))

    def _values(self) -> Vector:
        # What was seen is K times the weights; the factor is a root of K, noise included.
        return np.asarray(self.factor @ (self.factor.T @ self.weights))


def fitted(points: Matrix, values: Vector, groups: NDArray[np.intp]) -> Process:
    """Return the process of the most likely length scales and noise given the values seen at each row of points."""
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    scaled = (values - centre) / spread
    count = int(groups.max()) + 1 if len(groups) else 0
    squares = _squares(points, points, groups, np.ones(count))
    begin = np.append(np.full(count, _scale_centre(count)), NOISE_CENTRE)
    bounds = [(-4.0, 6.0)] * count + [(math.log(LEAST_NOISE), 1.0)]
    found: Any = minimize(
        _loss, begin, (squares, scaled), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
    )
    return _solved(points, groups, scaled, np.exp(-found.x[:-1]), math.exp(found.x[-1]), (centre, spread))


def _solved(
    points: Matrix,
    groups: NDArray[np.intp],
    values: Vector,
    inverse_scales: Vector,
    noise: float,
    unit: tuple[float, float],
) -> Process:
    kernel = matern(_squares(points, points, groups, inverse_scales).sum(axis=0))
    factor = _factored(kernel + noise * np.eye(len(points)))
    weights = cho_solve((factor, True), values, check_finite=False)
    return Process(points, groups, inverse_scales, noise, *unit, factor, weights)


def _loss(free: Vector, squares: Matrix, values: Vector) -> tuple[float, Vector]:
    """Return the negative logarithm of the posterior of log length scales and log noise, and its gradient."""
    count = len(free) - 1
    scales, noise = free[:count], math.exp(free[-1])
    unit = squares * np.exp(-2 * scales)[:, None, None]
    distance = np.sqrt(np.maximum(unit.sum(axis=0), 0.0))
    decay = np.exp(-_ROOT_5 * distance)
    kernel = (1 + _ROOT_5 * distance + 5 / 3 * distance**2) * decay
    factor = _factored(kernel + noise * np.eye(len(values)))
    weights = cho_solve((factor, True), values, check_finite=False)
    inverse = cho_solve((factor, True), np.eye(len(values)), check_finite=False)
    loss = 0.5 * values @ weights + np.log(np.diag(factor)).sum()
    # Half the trace of (K^-1 - a a^T) dK, where dK / d log scale is 5/3 (1 + √5 r) e^(-√5 r) times the own squares.
    outer = 0.5 * (inverse - np.outer(weights, weights))
    slopes = np.einsum("ij,gij->g", outer * (5 / 3 * (1 + _ROOT_5 * distance) * decay), unit)
    gradient = np.append(slopes, noise * np.trace(outer))
    centres = np.append(np.full(count, _scale_centre(count)), NOISE_CENTRE)
    spreads = np.append(np.full(count, SCALE_SPREAD), NOISE_SPREAD)
    away = (free - centres) / spreads
    return float(loss + 0.5 * away @ away), gradient + away / spreads


def _scale_centre(count: int) -> float:
    # The mode of a log-normal density in the scale itself, which is fitted by its logarithm.
    return math.sqrt(2) + 0.5 * math.log(max(count, 1)) - SCALE_SPREAD**2


def matern(squares: Matrix) -> Matrix:
    """Return the Matérn-5/2 correlation at squared distances, in length scales."""
    distance = np.sqrt(np.maximum(squares, 0.0))
    return np.asarray((1 + _ROOT_5 * distance + 5 / 3 * distance**2) * np.exp(-_ROOT_5 * distance))


def _squares(one: Matrix, two: Matrix, groups: NDArray[np.intp], inverse_scales: Vector) -> Matrix:
    """Return the squared distances by group: (groups, rows of one, rows of two), in length scales."""
    found = np.zeros((len(inverse_scales), len(one), len(two)))
    for column, group in enumerate(groups):
        found[group] += ((one[:, column, None] - two[None, :, column]) * inverse_scales[group]) ** 2
    return found


def _factored(kernel: Matrix) -> Matrix:
    """Return the lower Cholesky factor; what rounding has made indefinite is lifted until it is not."""
    lift = 0.0
    while True:
        try:
            return np.asarray(np.linalg.cholesky(kernel + lift * np.eye(len(kernel))))
        except np.linalg.LinAlgError:
            lift = max(lift * 10, 1e-8)
