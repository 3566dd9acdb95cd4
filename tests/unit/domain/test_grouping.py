"""Splits follow from the words of an example alone."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.rows.grouping import Division, group_of


def test_near_duplicates_share_their_group() -> None:
    """Case, punctuation, spacing and compatible forms do not matter; words, numbers and types do."""
    told = [group_of([text]) for text in ("What is love?", "what is  LOVE", "«What, is love!»", "\uff57hat is love")]
    assert len(set(told)) == 1
    others = ["What is life?", "whatis love", 1, "1", "", "?", "!", True, [1], ["1"]]
    assert len({group_of([value]) for value in others}) == len(others) - 1  # the number and the text 1 read alike
    assert group_of(["a", "b c"]) != group_of(["a b", "c"])


@given(st.text(), st.text(max_size=8))
def test_a_group_never_moves(text: str, salt: str) -> None:
    """The same group, salt and percentages give the same split; a grown share of training only takes."""
    group = group_of([text])
    splits = [Division(train, 20, salt).split(group) for train in (0, 40, 60, 80)]
    assert splits == [Division(train, 20, salt).split(group) for train in (0, 40, 60, 80)]
    assert sorted(splits, key=lambda split: split == "train") == splits


def test_the_shares_are_as_declared() -> None:
    """60, 20 and 20 of a hundred unless said otherwise; another salt is another division."""
    groups = [group_of([f"question {i}"]) for i in range(5000)]
    counts = Counter(map(Division().split, groups))
    assert 2900 < counts["train"] < 3100 and 900 < counts["validation"] < 1100 and 900 < counts["test"] < 1100
    assert Counter(map(Division(0, 0).split, groups)) == {"test": 5000}
    assert Counter(map(Division(100, 0).split, groups)) == {"train": 5000}
    moved = sum(Division().split(g) != Division(salt="other").split(g) for g in groups)
    assert 2500 < moved < 3100  # 1 - (.6² + .2² + .2²) of them
