"""Racing: who is dropped is worse, who is as good is not, and what is not known drops nobody."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.objectives import Objective
from domain.racing import MISTAKES, Verdict, imputed, judge, ordered, rungs

ONE = (Objective("score"),)
TWO = (Objective("score"), Objective("cost", "minimize"))


@given(st.integers(1, 5000))
def test_rungs_double_up_to_all(count: int) -> None:
    """8, 16, 32, …: each a prefix of the next, the last being all."""
    found = rungs(count)
    assert found[-1] == count and found == sorted(set(found))
    assert found[:-1] == [8 * 2**step for step in range(len(found) - 1)]
    assert len(found) == 1 or found[-1] <= 2 * found[-2]


@given(st.lists(st.uuids().map(str), unique=True), st.integers(0, 2**63 - 1))
def test_the_order_is_the_runs_own(examples: list[str], seed: int) -> None:
    """One for every trial, whatever order the examples come in; another seed has another."""
    assert ordered(list(reversed(examples)), seed) == ordered(examples, seed)
    assert sorted(ordered(examples, seed)) == sorted(examples)
    many = [str(number) for number in range(50)]
    assert ordered(many, seed) != ordered(many, seed + 1)


def values(chance: float, count: int, source: random.Random) -> list[float]:
    return [float(source.random() < chance) for _ in range(count)]


def test_an_equal_candidate_is_hardly_ever_dropped() -> None:
    """Over all rungs in at most 5 of 100 races; of pairs as noisy as exact matches are."""
    source, lost = random.Random(3), 0
    for _ in range(400):
        member, candidate = ({"score": values(0.6, 256, source)} for _ in range(2))
        seen = [judge(candidate, {1: member}, ONE, rung, rungs(256)).dropped for rung in rungs(256)[:-1]]
        lost += any(seen)
    assert lost / 400 <= MISTAKES


def test_a_hopeless_candidate_is_dropped_early() -> None:
    """With a tenth of the score nine in ten are gone by the third rung: they are not paid for."""
    source, gone = random.Random(4), 0
    for _ in range(100):
        member, candidate = {"score": values(0.9, 256, source)}, {"score": values(0.1, 256, source)}
        gone += any(judge(candidate, {1: member}, ONE, rung, rungs(256)).dropped for rung in (8, 16, 32))
    assert gone >= 90


def test_only_what_is_worse_in_every_objective_is_dropped() -> None:
    """A candidate that is worse but cheaper may be on the front; the member that it lost to is named."""
    member = {"score": [0.9, 0.8] * 16, "cost": [10.0, 11.0] * 16}
    cheap = {"score": [0.1, 0.2] * 16, "cost": [1.0, 2.0] * 16}
    dear = {"score": [0.1, 0.2] * 16, "cost": [20.0, 21.0] * 16}
    assert not judge(cheap, {7: member}, TWO, 32, rungs(64)).dropped
    verdict = judge(dear, {3: cheap, 7: member}, TWO, 32, rungs(64))
    assert verdict.dropped and verdict.lost_to == 7
    assert verdict.bounds["score"] < -0.3 and verdict.bounds["cost"] < -5


def test_a_margin_drops_what_is_hardly_better() -> None:
    """By as much as somebody says; without a member of the front nobody is dropped."""
    member, candidate = {"score": [0.5, 0.6] * 16}, {"score": [0.51, 0.61] * 16}
    assert not judge(candidate, {1: member}, ONE, 32, rungs(64)).dropped
    assert judge(candidate, {1: member}, ONE, 32, rungs(64), {"score": 0.05}).dropped
    assert judge(candidate, {}, ONE, 32, rungs(64)) == Verdict(dropped=False)


@pytest.mark.parametrize("member", [{}, {"score": []}, {"score": [None] * 32}, {"score": [0.9] + [None] * 31}])
def test_what_has_no_value_by_example_drops_nobody(member: dict[str, list[float | None]]) -> None:
    """A percentile, failed examples: less than two pairs are no comparison."""
    assert not judge({"score": [0.0] * 32}, {1: member}, ONE, 32, rungs(64)).dropped


def test_a_dropped_candidate_counts_as_what_it_would_have_reached() -> None:
    """Its own mean, and how much harder the unseen examples were for the others."""
    full = [[1.0, 1.0, 0.5, 0.5], [0.8, 0.8, 0.2, 0.2]]
    assert imputed([0.6, 0.4], full) == pytest.approx(0.5 + ((0.75 - 1.0) + (0.5 - 0.8)) / 2)
    assert imputed([0.6, None], [[1.0, 1.0, None]]) == pytest.approx(0.6)
    assert imputed([0.6], []) == 0.6
    assert imputed([None], full) is None and not math.isnan(imputed([0.5], [[None, None]]) or 0.0)
