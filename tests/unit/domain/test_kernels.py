"""How wide the kernels of the estimator are: as the gaps between observations, and not as wide as Optuna's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from domain.strategies.optuna_sampler import NARROWEST, Kernels

ONE: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 10.0)}
TWO: dict[str, BaseDistribution] = {**ONE, "y": FloatDistribution(1e-4, 1e4, log=True)}
STEPS: dict[str, BaseDistribution] = {"n": IntDistribution(0, 99)}
PARAMETERS = TPESampler()._parzen_estimator_parameters


def widths(space: dict[str, BaseDistribution], **observed: list[float]) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Returns the widths of the kernels of each variable, the prior's last."""
    made = Kernels({name: np.array(values) for name, values in observed.items()}, space, PARAMETERS)
    return [each.sigma for each in made._mixture_distribution.distributions]


def test_what_lies_apart_is_as_wide_as_its_gap() -> None:
    """The wider of both gaps, the prior as wide as the range."""
    ((*own, prior),) = widths(ONE, x=[2.0, 5.0, 9.0])
    assert own == [3.0, 4.0, 4.0] and prior == 10.0


def test_what_lies_together_is_narrow_also_in_a_short_run() -> None:
    """Optuna's own would be a quarter of the range wide, of three observations."""
    ((*own, _),) = widths(ONE, x=[5.0, 5.01, 5.02])
    assert own == pytest.approx([NARROWEST * 3 ** (-1 / 5) * 10.0] * 3)
    narrower = widths(ONE, x=[5.0] * 30)[0][0]
    assert 0 < narrower < own[0]


def test_a_width_is_one_on_the_scale_of_its_variable() -> None:
    """Of a logarithmic range of its logarithm; and more variables are each told less of."""
    x, y = widths(TWO, x=[5.0, 5.0], y=[1.0, 1.0])
    assert y[0] / y[-1] == pytest.approx(x[0] / x[-1]) and y[-1] == pytest.approx(8 * np.log(10))
    assert x[0] > widths(ONE, x=[5.0, 5.0])[0][0]


def _columns(pairs: list[tuple[float, float]]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    xs, ys = zip(*pairs, strict=True)
    return {"x": np.array(xs), "y": np.array(ys)}


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(1e-4, 1e4)), min_size=1, max_size=60),
    st.lists(st.tuples(st.floats(0.001, 9.999), st.floats(1.001e-4, 0.999e4)), min_size=1, max_size=24),
)
def test_the_density_is_optunas(seen: list[tuple[float, float]], asked: list[tuple[float, float]]) -> None:
    """At points within the ranges, of a linear and a logarithmic one, however the observations lie."""
    observed, points = _columns(seen), _columns(asked)
    made = Kernels(observed, TWO, PARAMETERS)
    theirs = _ParzenEstimator.log_pdf(made, points)
    assert made.log_pdf(points) == pytest.approx(theirs, rel=1e-9, abs=1e-9)


def test_steps_are_never_narrower_than_half_of_one() -> None:
    """Or a value would never lead to its neighbour."""
    ((*own, _),) = widths({"n": IntDistribution(0, 3)}, n=[1.0] * 200)
    assert own == [0.5] * 200
    assert widths(STEPS, n=[1.0, 1.0])[0][0] == pytest.approx(NARROWEST * 2 ** (-1 / 5) * 100)
