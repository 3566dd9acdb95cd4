"""Near-duplicates share a band, others do not, and nothing depends on the order of anything."""

import random

from hypothesis import given
from hypothesis import strategies as st

from domain.rows.likeness import BANDS, LEAST, bands, likeness, shingles

WORDS = list(map(str, range(100, 200)))


def edited(chance: random.Random) -> tuple[str, str]:
    """A text of words in any order, and the same with one word changed."""
    words = [chance.choice(WORDS) + chance.choice(WORDS) for _ in range(20)]
    other = list(words)
    other[chance.randrange(20)] = "elsewhere"
    return " ".join(words), " ".join(other)


def test_those_that_are_alike_share_a_band_and_others_hardly_do() -> None:
    """At least 99 of 100 pairs above the least likeness; of unlike ones at most 1."""
    chance = random.Random(7)
    pairs = [tuple(map(shingles, edited(chance))) for _ in range(400)]
    alike = [pair for pair in pairs if likeness(*pair) >= LEAST]
    assert len(alike) > 350
    found = sum(bool(set(bands(one)) & set(bands(other))) for one, other in alike)
    assert found >= 0.99 * len(alike)
    unlike = [(shingles("".join(chance.choices("abcdefgh", k=80))), each[0]) for each in pairs]
    assert sum(bool(set(bands(one)) & set(bands(other))) for one, other in unlike) <= 4


@given(st.text(max_size=60), st.text(max_size=60))
def test_likeness_is_the_share_of_what_is_common(one: str, other: str) -> None:
    """From 0 to 1, whichever comes first, and 1 for the same; the same text has the same bands, each a bigint."""
    a, b = shingles(one), shingles(other)
    assert likeness(a, b) == likeness(b, a) and 0 <= likeness(a, b) <= 1 == likeness(a, a)
    found = bands(a)
    assert len(found) == BANDS and found == bands(frozenset(sorted(a, reverse=True)))
    assert all(-(2**63) <= each < 2**63 for each in found)


def test_bands_are_the_same_for_ever() -> None:
    """They rest in the database: another release must find them."""
    assert bands(shingles("what is love"))[:2] == [-8232445612067040015, -1614999026040362585]
