"""Lists of configurations by design: what is skipped, how much of the design is left, and the same bytes everywhere."""

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import qmc

from domain.designs import LONGEST, halton_points, latin_hypercube_point
from domain.generation import STRATEGIES, Wanted, generate, walk_of
from domain.hypercubes import _strata
from domain.sampling import Unsatisfied
from domain.seeds import digest
from domain.space import (
    BooleanVariable,
    ChoiceVariable,
    ComputedVariable,
    Constraint,
    FloatVariable,
    IntegerVariable,
    Space,
)
from domain.values import Invalid, canonical_json

SEEDS = st.integers(-(2**63), 2**63 - 1)
SPACE = Space(
    (
        FloatVariable("heat", 0, 2, default=0.3),
        FloatVariable("rate", 1e-4, 1, log=True, default=0.1),
        IntegerVariable("shots", 0, 15, default=3),
        ChoiceVariable("order", (1, True, "1", None), weights=(1, 2, 3, 4), default="1"),
        BooleanVariable("rules", default=True),
        IntegerVariable("depth", 1, 9, default=2, when="rules"),
    ),
    (Constraint("calm", "heat < 0.5 || shots < 2"),),
)
DESIGNS = ("sobol", "halton", "latin_hypercube")


@given(SEEDS, st.integers(1, 12), st.integers(0, 300))
def test_a_halton_sequence_goes_on_from_any_index(seed: int, dimensions: int, index: int) -> None:
    """The slice of what SciPy draws at once, by blocks of any size."""
    generator = np.random.Generator(np.random.PCG64(digest(seed, "halton")))
    whole = qmc.Halton(dimensions, scramble=True, rng=generator).random(320)
    assert list(islice(halton_points(seed, index, dimensions, 7), 20)) == whole[index : index + 20].tolist()


@given(SEEDS, st.integers(2, 30), st.integers(1, 4))
def test_maximin_keeps_the_strata_and_never_brings_points_closer(seed: int, count: int, dimensions: int) -> None:
    """In the widest of many hypercubes, the nearest points are no nearer than in the first of them."""

    def strata(number: int) -> list[tuple[int, ...]]:
        parts = (seed, "latin_hypercube", count, 0, "maximin", number)
        return list(zip(*(_strata(count, *parts, each).tolist() for each in range(dimensions)), strict=True))

    wide = [
        [int(place * count) for place in latin_hypercube_point(seed, count, row, dimensions, maximin=True)]
        for row in range(count)
    ]
    assert all(sorted(column) == list(range(count)) for column in zip(*wide, strict=True))
    assert _nearest(wide) == max(_nearest(strata(number)) for number in range(32))


def _nearest(points: Sequence[Sequence[int]]) -> float:
    return min(math.dist(a, b) for a, b in combinations(points, 2))


@pytest.mark.parametrize("strategy", DESIGNS)
def test_points_that_break_a_constraint_are_skipped_and_counted(strategy: str) -> None:
    """`next_index` counts raw points; what is left of the design is told."""
    found = generate(SPACE, strategy, Wanted(64, 7, total=256))
    assert len(found.configurations) == 64
    assert found.next_index > 128
    strata = {each.variable: (each.strata, each.hit) for each in found.stratification}
    parts = 256 if strategy == "latin_hypercube" else 64
    assert set(strata) == set(SPACE.names)
    assert all(whole == parts and 0 < hit <= 64 for whole, hit in strata.values())
    assert strata["depth"][1] <= sum("depth" in each for each in found.configurations)


def test_a_whole_hypercube_hits_every_stratum() -> None:
    """Where nothing is skipped."""
    found = generate(Space(SPACE.variables[:4]), "latin_hypercube", Wanted(50, 1))
    assert [(each.strata, each.hit) for each in found.stratification] == [(50, 50)] * 4
    assert generate(SPACE, "random", Wanted(5)).stratification == ()


def test_nothing_is_told_of_how_evenly_computed_values_lie() -> None:
    """They are not drawn."""
    space = Space((*SPACE.variables[:1], ComputedVariable("one", "1")))
    assert [each.variable for each in generate(space, "sobol", Wanted(4)).stratification] == [SPACE.names[0]]


def test_a_design_that_only_meets_broken_constraints_is_repaired_then_given_up() -> None:
    """After 256 points in a row; the failure says what stands in the way."""
    pairs = tuple(Constraint(f"c{each}", f"a{each} == b{each}") for each in range(5))
    narrow = Space(tuple(IntegerVariable(f"{name}{each}", 0, 12) for each in range(5) for name in "ab"), pairs)
    found = generate(narrow, "sobol", Wanted(1))
    assert (found.next_index, found.stratification[0].hit) == (256, 0)
    hopeless = Space((IntegerVariable("a", 0, 10**6),), (Constraint("none", "a < 0"), Constraint("some", "a < 5000")))
    with pytest.raises(Unsatisfied) as given_up:
        generate(hopeless, "halton", Wanted(1))
    assert given_up.value.most_violated == "none"


def test_levels_of_single_variables_make_the_grid() -> None:
    """The others have the usual number; only continuous ones have levels."""
    space = Space((FloatVariable("x", 0, 1), FloatVariable("y", 0, 1), IntegerVariable("n", 0, 1)))
    found = generate(space, "grid", Wanted(100, levels=2, levels_of={"y": 3}))
    assert found.total == 12
    assert sorted({each["y"] for each in found.configurations}) == [0, 0.5, 1]
    with pytest.raises(Invalid) as refusal:
        generate(space, "grid", Wanted(1, levels_of={"n": 3, "z": 2, "x": 0}))
    assert {each.path for each in refusal.value.violations} == {"levels_of.n", "levels_of.z", "levels_of.x"}


def test_limits_of_designs_are_told() -> None:
    """A sequence ends; all distances of a large hypercube are too many."""
    for strategy in ("sobol", "halton"):
        with pytest.raises(Invalid, match="2\\^30"):
            generate(SPACE, strategy, Wanted(2, index=LONGEST - 1))
    with pytest.raises(Invalid, match="maximin"):
        generate(SPACE, "latin_hypercube", Wanted(2, total=1001, maximin=True))


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_a_walk_gives_what_the_list_gives(strategy: str) -> None:
    """Streams and pages are one sequence."""
    around = generate(SPACE, "random", Wanted(3)).configurations
    wanted = Wanted(30, 3, 2, total=40, levels=2, around=around)
    made = [each for each in islice(walk_of(SPACE, strategy, wanted).made, 30) if each.values is not None]
    found = generate(SPACE, strategy, wanted)
    assert [each.values for each in made] == found.configurations


_PROGRAM = """
import json, sys
from domain.generation import STRATEGIES, Wanted, generate
from domain.space import Space
from domain.values import canonical_json
asked = json.load(sys.stdin)
space = Space.from_json(asked["variables"], asked["constraints"])
around = generate(space, "random", Wanted(3)).configurations
for strategy in sorted(STRATEGIES):
    for maximin in (False, True):
        wanted = Wanted(20, 11, 0, total=32, levels=2, around=around, maximin=maximin)
        print(canonical_json(generate(space, strategy, wanted).configurations).decode())
"""


def test_the_same_request_gives_the_same_bytes_in_every_process() -> None:
    """Whatever the process's own hash seed."""
    asked = json.dumps({"variables": SPACE.to_json(), "constraints": [each.to_json() for each in SPACE.constraints]})
    answers = [
        subprocess.run(
            [sys.executable, "-c", _PROGRAM],
            input=asked,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    own = generate(SPACE, "halton", Wanted(20, 11, total=32, levels=2))
    assert canonical_json(own.configurations).decode() in answers[0].splitlines()
