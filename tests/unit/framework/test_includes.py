"""What reads include is read from text, or refused where it is wrong."""

import re
import time
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.including import edges_of
from framework.errors import InvalidFields
from framework.query.includes import LARGEST_SIZE, MOST, Asked, asked_from
from framework.resource import spec_of
from framework.testing.specimen import Specimen, message, registry

registry()
CONTEXT = Context(Actor(ActorKind.USER, str(UUID(int=1)), UUID(int=2), Role.USER), "Get", "", time.monotonic() + 60)
KNOWN = ["pieces", "favourite"]


def test_arguments_are_read_in_any_order_with_any_space() -> None:
    """Strings hold anything; what is not given has its default."""
    whole = (
        r""" pieces ( page_size = 3,filter="name = \"a\" AND small > 1", order_by='small desc' , page_token="x=") """
    )
    assert asked_from([whole, "favourite"], KNOWN) == [
        Asked("pieces", "include[0]", 'name = "a" AND small > 1', "small desc", 3, "x="),
        Asked("favourite", "include[1]"),
    ]
    assert asked_from([], KNOWN) == []


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("", 1, "the end is no relationship to include; there are favourite, pieces"),
        ("secret", 1, "secret is no relationship to include; there are favourite, pieces"),
        ("pieces.parent", 7, "found .parent; expected ( or the end"),
        ("pieces(", 8, "found the end; expected one of filter, order_by, page_size, page_token"),
        ("pieces()", 8, "found ); expected one of filter, order_by, page_size, page_token"),
        ("pieces(fliter='')", 8, "found fliter; expected one of filter, order_by, page_size, page_token"),
        ("pieces(filter 'x')", 15, "found 'x'); expected ="),
        ("pieces(filter=x)", 15, "found x); expected a quoted string"),
        ("pieces(filter='x)", 15, "found 'x); expected a quoted string"),
        ("pieces(filter='x'", 18, "found the end; expected , or )"),
        ("pieces(filter='x', filter='y')", 20, "found filter; expected one of order_by, page_size, page_token"),
        ("pieces(page_size=0)", 18, f"found 0; expected a number from 1 to {LARGEST_SIZE}"),
        ("pieces(page_size=101)", 18, f"found 101; expected a number from 1 to {LARGEST_SIZE}"),
        ("pieces(page_size='3')", 18, f"found '3'); expected a number from 1 to {LARGEST_SIZE}"),
        ("pieces(page_size=3) x", 21, "found x; expected ( or the end"),
    ],
)
def test_refusals_say_where_and_what_would_be_right(text: str, position: int, expected: str) -> None:
    """Positions count from 1; the path is that of the include."""
    with pytest.raises(InvalidFields) as refused:
        asked_from(["favourite", text], KNOWN)
    (violation,) = refused.value.violations
    assert violation.path == "include[1]"
    assert violation.message == f"at position {position}: {expected}"


def test_a_relationship_is_included_once_and_not_too_many_are() -> None:
    """Each is a statement."""
    for texts, path in ((["pieces", "pieces(page_size=3)"], "include[1]"), (["pieces"] * (MOST + 1), "include")):
        with pytest.raises(InvalidFields) as refused:
            asked_from(texts, KNOWN)
        assert [v.path for v in refused.value.violations] == [path]


@pytest.mark.parametrize(
    ("text", "message_"),
    [
        ("pieces(filter='small > x')", "in filter, at position 9: found x; expected a value of type integer"),
        ("pieces(filter='secret:*')", "in filter, at position 1: secret is no field to filter by; there are "),
        ("pieces(order_by='small, secret')", "in order_by, at position 8: secret is no field to order by; there are "),
    ],
)
def test_filters_and_orders_inside_are_those_of_the_related_resource(text: str, message_: str) -> None:
    """Their positions are their own."""
    request = message("GetSpecimenRequest")(include=[text])
    with pytest.raises(InvalidFields) as refused:
        edges_of(spec_of(Specimen), CONTEXT, request, alone=True)
    (violation,) = refused.value.violations
    assert violation.path == "include[0]"
    assert violation.message.startswith(message_)


@given(
    st.one_of(st.text(max_size=40), st.text(alphabet="pieces(filter=order_by,page_size0123456789'\"\\) ", max_size=80))
)
def test_whatever_is_included_is_read_or_refused(text: str) -> None:
    """No other exception, and every refusal points into the text."""
    try:
        (asked,) = asked_from([text], KNOWN)
    except InvalidFields as refused:
        (violation,) = refused.violations
        found = re.match(r"at position (\d+): ", violation.message)
        assert violation.path == "include[0]" and found and 1 <= int(found[1]) <= len(text) + 1
    else:
        assert asked.name in KNOWN and 1 <= asked.page_size <= LARGEST_SIZE
