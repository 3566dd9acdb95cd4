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


@given(
    st.text(max_size=200), st.from_regex(rf"{BRAND}_[0-9a-f]{{32}}_[0-9]{{1,20}}_[A-Za-z0-9_-]{{43}}", fullmatch=True)
)
def test_no_text_is_one(text: str, shaped: str) -> None:
    for each in (text, shaped, f"{TEXT}{text}" if text else "", f"{TEXT}\n", f" {TEXT}", TEXT.upper()):
        assert read(each, PEPPER) is None
