"""Only what this platform made is a refresh token: no other text, however near."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.auth.refreshing import BRAND, RefreshToken, read

PEPPER = b"pepper"
TOKEN = RefreshToken(UUID(int=7), 3)
TEXT = TOKEN.text(PEPPER)


def test_a_token_is_read_as_it_was_made_and_under_its_pepper_only() -> None:
    assert read(TEXT, PEPPER) == TOKEN
    assert read(TEXT, b"another") is None


@given(st.integers(0, len(TEXT)), st.integers(0, 5), st.text(max_size=5))
def test_no_edited_token_is_one(at: int, length: int, text: str) -> None:
    edited = TEXT[:at] + text + TEXT[at + length :]
    assert edited == TEXT or read(edited, PEPPER) is None


shaped = st.builds(
    lambda session, generation, proof: f"{BRAND}_{session:032x}_{generation}_{proof[:43]:A<43}",
    st.integers(0, 2**128 - 1),
    st.integers(0, 10**20),
    st.text("ABCxyz019_-", max_size=43),
)


@given(st.text(max_size=200), shaped)
def test_no_text_is_one(text: str, made_up: str) -> None:
    for each in (text, made_up, f"{TEXT}{text}" if text else "", f"{TEXT}\n", f" {TEXT}", TEXT.upper()):
        assert read(each, PEPPER) is None
