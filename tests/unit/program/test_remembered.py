"""What is remembered of texts: it is shared, and bounded by their length."""

from services.program.lm.remembered import Remembered


def test_what_was_asked_last_is_remembered_within_the_bound() -> None:
    """However many texts there are: those that were asked about longest ago go first."""
    made: list[str] = []

    def make(text: str) -> list[str]:
        made.append(text)
        return [text]

    known = Remembered(make, letters=10)
    first = known("aaaa")
    assert known("bbbb") == ["bbbb"] and known("aaaa") is first and known.letters == 8
    known("cccc")
    assert known("aaaa") is first and known.letters == 8
    known("bbbb")
    assert made == ["aaaa", "bbbb", "cccc", "bbbb"] and known.letters == 8


def test_a_text_beyond_the_bound_is_made_and_not_remembered() -> None:
    """It pushes out what is there, and itself."""
    known = Remembered(len, letters=10)
    assert known("a") == 1 and known("b" * 50) == 50 and known.letters == 0
