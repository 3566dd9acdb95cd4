"""API keys: 256 random bits, a brand, a checksum, and only a digest to keep."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth import keys
from tests.tries import tries

PEPPER = b"pepper"


def test_x83_a_key_is_branded_and_uses_only_letters_and_digits() -> None:
    """X-83: a key is recognisable by its prefix and survives URLs, shells and double clicks."""
    assert re.fullmatch(r"ashgrove_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}", keys.new_key())


def test_every_new_key_is_well_formed_and_new() -> None:
    """Every key made passes its own checksum, and no two are alike."""
    made = {keys.new_key() for _ in range(200)}
    assert len(made) == 200
    assert all(keys.is_well_formed(key) for key in made)


@given(st.integers(9, 51), st.sampled_from("09AZaz"))
def test_one_wrong_digit_is_noticed(position: int, digit: str) -> None:
    """CRC-32 notices every single wrong digit."""
    key = keys.new_key()
    changed = key[:position] + digit + key[position + 1 :]
    assert keys.is_well_formed(changed) == (changed == key)


@settings(deadline=None, max_examples=tries(50))
@given(st.text(max_size=200))
def test_any_text_has_an_answer_and_a_digest(text: str) -> None:
    """No text makes the parser or the digest raise."""
    assert keys.is_well_formed(text) in {True, False}
    assert len(keys.digest(text, PEPPER)) == 32


def test_a_digest_depends_on_the_pepper_and_shows_nothing_of_the_key() -> None:
    """A stolen table without its pepper is worth nothing."""
    key = keys.new_key()
    assert keys.digest(key, PEPPER) != keys.digest(key, b"another")
    assert key.encode() not in keys.digest(key, PEPPER)


def test_a_miss_never_matches() -> None:
    """With nothing stored even the dummy's own digest is refused."""
    assert not keys.matches(None, bytes(32))
    assert keys.matches(bytes(32), bytes(32))


def test_the_shown_prefix_tells_keys_apart_and_gives_little_away() -> None:
    """The prefix is the brand and six digits of the 43."""
    key = keys.new_key()
    assert key.startswith(keys.shown_prefix(key))
    assert len(keys.shown_prefix(key)) == len("ashgrove_") + 6
