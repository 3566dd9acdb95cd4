"""What differs between two documents, by places that their own names tell apart."""

from typing import Any

import pytest

from domain.documents import changes


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
