"""Designs: points of the unit cube, known from seed and index, and the configurations they stand for."""

import math
from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from domain import hypercubes
from domain.designs import (
    LONGEST,
    configuration,
    halton_points,
    latin_hypercube_point,
    latin_hypercube_points,
    sobol_point,
    sobol_points,
)
from domain.seeds import digest, suggestion_seed
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Normal, Space
from domain.strategies import STRATEGIES, Question
from domain.values import content_hash
from tests.unit.domain.arbitrary import spaces

SEEDS = st.integers(-(2**63), 2**63 - 1)
SPACE = Space(
    (
        FloatVariable("temperature", 0, 2),
        FloatVariable("rate", 1e-4, 1, log=True),
        FloatVariable("share", 0, 0.7, step=0.1),
        IntegerVariable("shots", 0, 60, step=4),
        IntegerVariable("depth", 1, 64, log=True),
        ChoiceVariable("order", (1, True, "1", None)),
        BooleanVariable("rules"),
    )
)


def designed(name: str, count: int, seed: int = 5) -> list[dict[str, object]]:
    """Return what a run of so many trials suggests."""
    return [
        STRATEGIES[name].suggest(
            Question(SPACE, (), [], [], number, suggestion_seed(seed, number), run_seed=seed, budget=count)
        )
        for number in range(1, count + 1)
    ]


@given(spaces(), st.data())
def test_every_point_of_the_cube_is_a_valid_configuration(space: Space, data: st.DataObject) -> None:
    """Corners included, whatever the types of the variables."""
    places = st.floats(0, 1, exclude_max=True) | st.sampled_from([0.0, math.nextafter(1, 0)])
    point = [data.draw(places) for _ in space.variables]
    chosen = configuration(space, point, 1)
    assert repr(space.validate(chosen)) == repr(chosen)
    assert repr(configuration(space, point, 1)) == repr(chosen)


def test_a_place_is_a_share_of_the_variables_own_draw() -> None:
    """Ends, middle, and the cuts between neighbours; a logarithmic range is halved at its geometric mean."""
    rows = [configuration(SPACE, [place] * 7, 1) for place in (0.0, 0.5, math.nextafter(1, 0))]
    assert [each["temperature"] for each in rows] == [0, 1, 2]
    assert [each["rate"] for each in rows] == [1e-4, 0.01, 1]
    assert [each["share"] for each in rows] == [0, 0.4, 0.7]
    assert [each["shots"] for each in rows] == [0, 32, 60]
    assert [each["depth"] for each in rows] == [1, 6, 64]
    assert [repr(each["order"]) for each in rows] == ["1", "'1'", "None"]
    assert [each["rules"] for each in rows] == [False, True, True]


@pytest.mark.parametrize("name", ["sobol", "latin_hypercube"])
def test_a_design_follows_weights_and_distributions(name: str) -> None:
    """A choice as often as its weight says, a power of two as often as any other, half of a normal below its mean."""
    space = Space(
        (
            ChoiceVariable("c", ("a", "b", "c"), weights=(1, 2, 1)),
            IntegerVariable("k", 1, 128, power_of_two=True),
            FloatVariable("x", 0, 10, normal=Normal(5, 1)),
        )
    )
    rows = [STRATEGIES[name].suggest(Question(space, (), [], [], n, n, run_seed=2, budget=64)) for n in range(1, 65)]
    assert Counter(each["c"] for each in rows) == {"a": 16, "b": 32, "c": 16}
    assert Counter(each["k"] for each in rows) == {2**power: 8 for power in range(8)}
    assert sum(each["x"] < 5 for each in rows) == 32
    assert 40 < sum(4 < each["x"] < 6 for each in rows) < 48


@given(SEEDS, st.integers(1, 12), st.integers(0, 300))
def test_a_sobol_point_alone_is_the_one_of_the_whole_sequence(seed: int, dimensions: int, index: int) -> None:
    """Extendable by index: the slice of what SciPy draws at once."""
    generator = np.random.Generator(np.random.PCG64(digest(seed, "sobol")))
    whole = qmc.Sobol(dimensions, scramble=True, rng=generator).random(512)
    assert sobol_point(seed, index, dimensions) == tuple(whole[index])


@given(SEEDS, st.integers(1, 12), st.integers(0, 300))
def test_a_halton_point_alone_is_the_one_of_the_whole_sequence(seed: int, dimensions: int, index: int) -> None:
    """Extendable by index: the slice of what SciPy draws at once."""
    generator = np.random.Generator(np.random.PCG64(digest(seed, "halton")))
    whole = qmc.Halton(dimensions, scramble=True, rng=generator).random(512)
    assert tuple(next(halton_points(seed, index, dimensions))) == tuple(whole[index])


def test_the_last_points_of_a_sequence_are_there_as_soon_as_the_first() -> None:
    """SciPy goes there point by point: minutes of the whole process for Sobol's, 8 TB of memory for Halton's."""
    for points in (sobol_points, halton_points):
        last = list(points(7, LONGEST - 2, 1000))
        assert len(last) == 2
        assert all(0 <= place < 1 for point in last for place in point)


def test_a_hypercube_of_many_dimensions_is_ranked_once_for_many_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """More columns than are remembered; and its points are those that are asked for one by one."""
    ranked: list[int] = []
    strata = hypercubes._strata

    def counting(*arguments: Any) -> Any:
        ranked.append(1)
        return strata(*arguments)

    monkeypatch.setattr(hypercubes, "_strata", counting)
    points = list(islice(latin_hypercube_points(5, 50, 40, 65), 20))
    assert len(ranked) == 2 * 65
    assert points == [latin_hypercube_point(5, 50, index, 65) for index in range(40, 60)]


@given(SEEDS, st.integers(1, 40), st.integers(1, 5), st.integers(0, 2))
def test_a_latin_hypercube_has_one_point_in_every_stratum(
    seed: int, count: int, dimensions: int, repetition: int
) -> None:
    """In every dimension, in the first hypercube and in those that follow it."""
    first = count * repetition
    points = [latin_hypercube_point(seed, count, index, dimensions) for index in range(first, first + count)]
    for column in zip(*points, strict=True):
        assert sorted(int(place * count) for place in column) == list(range(count))
        assert all(0 <= place < 1 for place in column)


def test_the_strata_hold_in_a_large_hypercube() -> None:
    """10,000 is the most trials of a run: no rounding carries a point into its neighbour's stratum."""
    order = [int(latin_hypercube_point(3, 10_000, index, 1)[0] * 10_000) for index in range(0, 10_000, 97)]
    assert len(set(order)) == len(order)


@pytest.mark.parametrize("name", ["sobol", "latin_hypercube"])
def test_a_design_covers_every_variable_evenly(name: str) -> None:
    """64 trials: every value as often as it should be, every eighth of a range eight times."""
    rows = designed(name, 64)
    assert set(Counter(int(each["temperature"] * 4) for each in rows).values()) == {8}
    assert set(Counter(math.floor(math.log10(each["rate"])) for each in rows).values()) == {16}
    assert set(Counter(each["share"] for each in rows).values()) == {8}
    assert set(Counter(each["shots"] for each in rows).values()) == {4}
    assert set(Counter(repr(each["order"]) for each in rows).values()) == {16}
    assert set(Counter(each["rules"] for each in rows).values()) == {32}


def test_a_longer_sobol_run_begins_like_a_shorter_one() -> None:
    """A hypercube does not: it depends on how many points it has."""
    assert designed("sobol", 20)[:8] == designed("sobol", 8)
    assert designed("latin_hypercube", 20)[:8] != designed("latin_hypercube", 8)


@pytest.mark.parametrize("name", ["sobol", "latin_hypercube"])
def test_another_run_has_another_design(name: str) -> None:
    """By its seed; scrambling keeps the coverage."""
    assert designed(name, 8, seed=5) != designed(name, 8, seed=6)


@pytest.mark.parametrize("name", ["sobol", "latin_hypercube"])
def test_a_space_without_variables_has_its_one_configuration(name: str) -> None:
    """The empty one, every time."""
    assert STRATEGIES[name].suggest(Question(Space(()), (), [], [], 3, 1, run_seed=1, budget=4)) == {}


def test_designs_are_bit_for_bit_those_of_every_other_replica() -> None:
    """Golden: raise SAMPLER_VERSION when it changes."""
    assert content_hash(designed("latin_hypercube", 50)) == (
        "4c87edfa8479c44f4ba614dad39c9bc5518ebc29b3479f6b47bf2ab2af3f40c2"
    )
