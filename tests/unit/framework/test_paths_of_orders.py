"""What an order may name beside fields: scalars that are declared inside JSON, and fields behind one related row."""

import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.readable import Readable
from framework.errors import InvalidFields
from framework.query import Key, filter_clause, order_from
from framework.query.filter import SUBQUERY
from framework.query.grammar import MOST_TERMS
from framework.query.order import MOST_KEYS
from framework.resource import spec_of
from framework.testing.specimen import Piece, Specimen, registry

registry()
CONTEXT = Context(Actor(ActorKind.USER, str(UUID(int=1)), UUID(int=2), Role.USER), "List", "", time.monotonic() + 60)
SPECIMENS = Readable(spec_of(Specimen), CONTEXT)
PIECES = Readable(spec_of(Piece), CONTEXT)


def refusal(text: str, columns: Readable = SPECIMENS) -> str:
    """Returns why an order is refused."""
    with pytest.raises(InvalidFields) as refused:
        order_from(text, columns)
    (violation,) = refused.value.violations
    assert violation.path == "order_by"
    return violation.message


@pytest.mark.parametrize(
    "path",
    [
        "scores",
        "scores.a.b",
        "tags",
        "tags.a",
        "details.text",
        "detail",
        "detail.inner",
        "detail.nothing",
        "name.x",
        "detail.at.seconds",
        "pieces.name",
        "pieces",
        "favourite",
        "favourite.nothing",
        "favourite.scores",
        "favourite.parent.parent.name",
    ],
)
def test_what_has_no_one_value_is_refused(path: str) -> None:
    """Lists, messages, maps, related rows of which there may be many, and more than two relationships."""
    assert refusal(f"name, {path} desc").startswith(f"at position 7: {path[:40]} is no field to order by; there are ")


@pytest.mark.parametrize("path", ["secret", "detail.secret", "favourite.secret", "favourite.detail.secret"])
def test_what_may_not_be_read_cannot_be_probed_by_order(path: str) -> None:
    """Sensitive and unknown fields answer alike."""
    unknown = path.replace("secret", "unknown")
    assert refusal(path) == refusal(unknown).replace(unknown, path)


def test_keys_are_read_with_their_paths() -> None:
    """Quoted names hold anything; what lies inside may be null, so nulls have a place."""
    order = order_from(r'scores."a, \"b.c" desc nulls first, detail.inner.big,favourite.name', SPECIMENS)
    assert order.keys == (
        Key("scores", True, True, ('a, "b.c',)),
        Key("detail", False, False, ("inner", "big")),
        Key("favourite", False, False, ("name",)),
        Key("id"),
    )
    assert order_from("parent.id", PIECES).keys == (Key("parent", False, False, ("id",)), Key("id"))
    assert "twice" in refusal('detail.text, detail."text"')
    assert "more than" in refusal(", ".join(f"scores.k{i}" for i in range(MOST_KEYS + 1)))


@given(st.one_of(st.text(max_size=40), st.text(alphabet="ab.,\"'\\ descnullfirt", max_size=60)))
def test_any_order_is_read_or_refused(text: str) -> None:
    """No other exception, whatever is written."""
    try:
        order = order_from(text, SPECIMENS)
    except InvalidFields as refused:
        assert [v.path for v in refused.violations] == ["order_by"]
    else:
        assert order.keys[-1].path == ("id",) or ("id",) in {key.path for key in order.keys}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pieces = 1", "at position 10: found = before a relationship; expected :"),
        ("pieces:1", "at position 8: pieces leads to rows; ask pieces:* or one of their fields, as in pieces.id"),
        ('name = "a" AND pieces.nothing = 1', "at position 16: nothing is no field to filter by; there are "),
        ("pieces.small = x", "at position 16: found x; expected a value of type integer"),
        ("pieces.name.x = 1", "at position 1: name has no fields"),
        ("pieces.parent.parent:*", "at position 1: a path goes through more than 2 relationships"),
        (
            " AND ".join(["pieces:*"] * (MOST_TERMS // SUBQUERY + 1)),
            f"at position {13 * (MOST_TERMS // SUBQUERY) + 1}: there are more than {MOST_TERMS} comparisons, where",
        ),
    ],
)
def test_filters_over_relationships_say_where_they_are_wrong(text: str, message: str) -> None:
    """Positions are those of the whole filter."""
    with pytest.raises(InvalidFields) as refused:
        filter_clause(text, SPECIMENS)
    assert refused.value.violations[0].message.startswith(message), refused.value.violations[0].message
