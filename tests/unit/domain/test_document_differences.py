"""What differs between two documents, by places that their own names tell apart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.documents import changes, words


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ([{"name": "a", "k": 1}, {"name": "b"}], [{"name": "b"}, {"name": "a", "k": 2}], "l.a.k"),
        ([{"name": {"first": "a"}}], [{"name": {"first": "b"}}], "l[0].name.first"),
        ([{"name": ["a"]}, {"name": ["a"]}], [{"name": ["a"]}, {"name": ["b"]}], "l[1].name"),
        ([{"field": 1}, {"field": 2}], [{"field": 1}, {"field": 3}], "l[1].field"),
    ],
)
def test_members_of_lists_are_known_by_names_that_are_texts(before: Any, after: Any, path: str) -> None:
    """And by their places where they have none: a demonstration may call anything a name."""
    assert [each.path for each in changes({"l": before}, {"l": after})] == [path]


def test_what_was_empty_is_told_by_what_fills_it() -> None:
    """Nothing went, and nothing is told twice; what is empty on one side alone is a difference."""
    filled = {"config": {"k": 1}, "l": [{"name": "a"}]}
    assert [each.path for each in changes({"config": {}, "l": []}, filled)] == ["config.k", "l.a.name"]
    assert [each.path for each in changes(filled, {"config": {}, "l": []})] == ["config.k", "l.a.name"]
    assert [each.path for each in changes({"k": 1}, {"k": 1, "config": {}})] == ["config"]


def test_a_few_words_of_a_very_long_text_are_told_as_words() -> None:
    """However long what stands around them is."""
    around = [f"word{i} " for i in range(20_000)]
    before, after = "".join([*around[:9000], "old ", *around[9000:]]), "".join([*around[:9000], "new ", *around[9000:]])
    assert [(each.kind, each.text) for each in words(before, after)][1:3] == [("removed", "old "), ("added", "new ")]


@given(st.text("ab \n.", max_size=30), st.text("ab \n.", max_size=30))
def test_pieces_make_both_texts_again(before: str, after: str) -> None:
    """Whatever they are."""
    pieces = words(before, after)
    assert "".join(each.text for each in pieces if each.kind != "added") == before
    assert "".join(each.text for each in pieces if each.kind != "removed") == after
    assert all(each.text for each in pieces)
