"""Random configurations: valid, reproducible, independent of how many are asked for."""

import math
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.sampling import random_configuration, random_configurations
from domain.seeds import Draw, suggestion_seed
from domain.space import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Space
from domain.values import content_hash
from tests.unit.domain.arbitrary import spaces

SEEDS = st.integers(-(2**63), 2**63 - 1)


@given(spaces(), SEEDS)
def test_every_drawn_configuration_is_valid_and_drawn_again_the_same(space: Space, seed: int) -> None:
    """X-45: same seed, same space, same configurations, whatever the process did before."""
    drawn = random_configurations(space, 5, seed)
    assert repr([space.validate(each) for each in drawn]) == repr(drawn)
    random.random()
    assert repr(random_configurations(space, 5, seed)) == repr(drawn)


@given(spaces(), SEEDS, st.integers(0, 8), st.integers(0, 8))
def test_a_configuration_does_not_depend_on_the_count(space: Space, seed: int, few: int, more: int) -> None:
    """X-45: the shorter list is the beginning of the longer one, and each can be drawn alone by its index."""
    drawn = random_configurations(space, few + more, seed)
    assert random_configurations(space, few, seed) == drawn[:few]
    assert [random_configuration(space, seed, index) for index in range(few + more)] == drawn


def test_draws_are_bit_for_bit_those_of_every_other_replica() -> None:
    """Golden: a change of these values breaks every stored seed, so raise SAMPLER_VERSION with it."""
    space = Space(
        (
            FloatVariable("temperature", 0, 2),
            FloatVariable("rate", 1e-5, 1, log=True),
            FloatVariable("share", 0, 1, step=0.1),
            IntegerVariable("shots", 0, 64),
            IntegerVariable("tokens", 1, 4096, log=True),
            ChoiceVariable("order", ("nearest", "random")),
            BooleanVariable("rules"),
        )
    )
    assert (
        content_hash(random_configurations(space, 100, 20))
        == "903b3bb93242986465b551c24cdadbb6f4197b6aa2b1240663622c7969ec00de"
    )


def test_draws_are_uniform_where_they_say_so() -> None:
    """Counts of 6,000 draws lie within five standard deviations of what is expected."""
    space = Space((IntegerVariable("k", 0, 10, step=5), ChoiceVariable("c", ("a", "b", "c")), FloatVariable("x", 0, 3)))
    drawn = random_configurations(space, 6000, 1)
    for counts in (
        Counter(each["k"] for each in drawn),
        Counter(each["c"] for each in drawn),
        Counter(int(each["x"]) for each in drawn),
    ):
        assert len(counts) == 3
        assert all(abs(count - 2000) < 5 * math.sqrt(6000 * 2 / 9) for count in counts.values())


def test_logarithmic_draws_are_uniform_in_the_logarithm() -> None:
    """Every decade gets its share; both ends of an integer range are reached."""
    space = Space((FloatVariable("x", 1e-3, 1, log=True), IntegerVariable("k", 1, 4, log=True)))
    drawn = random_configurations(space, 6000, 1)
    decades = Counter(math.floor(math.log10(each["x"])) for each in drawn)
    assert all(abs(decades[decade] - 2000) < 5 * math.sqrt(6000 * 2 / 9) for decade in (-3, -2, -1))
    assert {each["k"] for each in drawn} == {1, 2, 3, 4}


def test_a_draw_below_a_count_stays_below_it() -> None:
    """Also for counts that do not divide 2^64, and for the largest."""
    draw = Draw(1)
    assert {draw.below(3) for _ in range(100)} == {0, 1, 2}
    assert all(draw.below(2**64) < 2**64 for _ in range(100))
    assert draw.below(1) == 0


def test_seeds_of_suggestions_differ_and_fit_64_bits() -> None:
    """Another run, number or attempt has another seed."""
    seeds = [
        suggestion_seed(run, number, attempt) for run in (-1, 0, 1, 11) for number in (1, 11) for attempt in (0, 1)
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
