"""What a point promises: the logarithm of the expected improvement, exact where the improvement itself underflows."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr

Vector = NDArray[np.float64]

_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def log_expected_improvement(mean: Vector, deviation: Vector, best: float) -> Vector:
    """Return log E[max(value - best, 0)] for each normal value (Ament et al., 2023)."""
    z = (mean - best) / deviation
    return np.asarray(np.log(deviation) + _log_h(z))


def log_probability_below(mean: Vector, deviation: Vector, bound: float) -> Vector:
    """Return the logarithm of the chance that each normal value does not exceed a bound."""
    return np.asarray(log_ndtr((bound - mean) / deviation))


def _log_h(z: Vector) -> Vector:
    """Return log(phi(z) + z Phi(z)), by erfcx below -1 and by its limit far below, where that cancels."""
    near, far = np.maximum(z, -1.0), np.minimum(z, -1.0)
    direct = np.log(np.exp(-0.5 * near**2 - _HALF_LOG_2_PI) + near * ndtr(near))
    rest = 1.0 - math.sqrt(math.pi / 2) * -far * erfcx(-far / math.sqrt(2))
    tail = np.where(far < -1e3, -2 * np.log(-far), np.log(np.maximum(rest, 1e-300)))
    return np.asarray(np.where(z > -1.0, direct, tail - 0.5 * far**2 - _HALF_LOG_2_PI))
