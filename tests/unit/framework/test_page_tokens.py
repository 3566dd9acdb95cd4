"""Page tokens: sealed, bound to their list, and nothing else opens."""

import base64
import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.errors import InvalidFields, InvalidPageToken
from framework.query import Columns, Key, Seal, order_from
from framework.resource import spec_of
from framework.storage import table_of
from services.variables.resources import VariableSpace

SEAL = Seal(os.urandom(32))
COLUMNS = Columns(spec_of(VariableSpace).fields, table_of(spec_of(VariableSpace)))
positions = st.lists(
    st.one_of(
        st.uuids(),
        st.datetimes(timezones=st.just(UTC)),
        st.text(),
        st.integers(),
        st.booleans(),
        st.floats(allow_nan=False),
    ),
    max_size=4,
)


@given(positions, st.text(st.characters(exclude_categories=["Cs"])))
def test_a_token_opens_to_its_position_for_its_own_list_only(position: list[Any], binding: str) -> None:
    """Neither another list nor another key opens it."""
    token = SEAL.seal(position, binding)
    assert SEAL.open(token, binding) == position
    for seal, other in ((SEAL, binding + "x"), (Seal(os.urandom(32)), binding)):
        with pytest.raises(InvalidPageToken):
            seal.open(token, other)


@given(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.binary().map(lambda b: base64.urlsafe_b64encode(b).decode()),
    )
)
def test_anything_else_is_refused(token: str) -> None:
    """As an invalid field, whatever it is."""
    with pytest.raises(InvalidPageToken):
        SEAL.open(token, "list")


def test_a_token_tells_nothing() -> None:
    """Not even the same position twice looks alike."""
    position = [datetime.now(UTC), UUID(int=5)]
    assert SEAL.seal(position, "a") != SEAL.seal(position, "a")


@pytest.mark.parametrize(
    "text",
    [
        "name,name",
        "variables",
        "name down",
        "nothing",
        "name,,status",
        "name desc asc",
        "archived_at nulls",
        "etag",
        ",",
    ],
)
def test_orders_that_could_not_page_are_refused(text: str) -> None:
    """Unknown and nested fields, fields twice, and unknown words."""
    with pytest.raises(InvalidFields) as refused:
        order_from(text, COLUMNS)
    assert [v.path for v in refused.value.violations] == ["order_by"]


def test_every_order_ends_with_the_key() -> None:
    """In the direction of the last field; nulls have a place where there may be any, the last one unless said."""
    assert order_from("", COLUMNS).keys == (Key("created_at", True, None), Key("id", True, None))
    assert order_from("status, name desc", COLUMNS).keys == (
        Key("status", False, None),
        Key("name", True, None),
        Key("id", True, None),
    )
    assert order_from("id", COLUMNS).keys == (Key("id", False, None),)
    assert order_from("archived_at", COLUMNS).keys[0] == Key("archived_at", False, False)
    assert order_from("archived_at desc nulls first", COLUMNS).keys[0] == Key("archived_at", True, True)
    assert order_from("name nulls first", COLUMNS).keys[0] == Key("name", False, None)


@pytest.mark.parametrize(
    ("text", "position"), [("nothing", 1), ("name, nothing", 7), ("name,status,name", 13), ("a", 1)]
)
def test_refused_orders_say_where(text: str, position: int) -> None:
    """Counted from 1."""
    with pytest.raises(InvalidFields) as refused:
        order_from(text, COLUMNS)
    assert refused.value.violations[0].message.startswith(f"at position {position}: ")
