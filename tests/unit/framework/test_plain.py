"""Compiled converters: what protobuf's own JSON makes of messages, whatever they hold, and back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import example, given
from hypothesis import strategies as st

from framework.plain import made, plain, plain_struct
from framework.resource import spec_of
from framework.storage import codec_of
from framework.structs import struct_of, value_of, values_of
from framework.testing.specimen import Piece, Specimen, message

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**60), 2**60).map(float)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
STRUCTS = st.dictionaries(TEXTS, VALUES, max_size=4)
LONGS = st.integers(-(2**63), 2**63 - 1)
TIMES = st.builds(Timestamp, seconds=st.integers(-62135596800, 253402300799), nanos=st.integers(0, 999999999))
DOUBLES = st.floats()


def details(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Details with any field left out, or empty and there."""
    fields = {"text": TEXTS, "big": LONGS, "ratio": DOUBLES, "at": TIMES, "color": st.integers(0, 3), "note": TEXTS}
    return st.fixed_dictionaries({}, optional={**fields, "limit": DOUBLES, "inner": inner}).map(
        lambda given: message("Detail")(**given)
    )


DETAILS = st.recursive(details(st.builds(message("Detail"))), details, max_leaves=3)
SPECIMENS = st.fixed_dictionaries(
    {},
    optional={
        "name": TEXTS,
        "color": st.integers(0, 2),
        "small": st.integers(-(2**31), 2**31 - 1),
        "big": LONGS,
        "ratio": DOUBLES,
        "flag": st.booleans(),
        "ended_at": TIMES,
        "detail": DETAILS,
        "tags": st.lists(TEXTS, max_size=3),
        "details": st.lists(DETAILS, max_size=3),
        "numbers": st.lists(LONGS, max_size=3),
        "free": STRUCTS.map(struct_of),
        "anything": VALUES.map(value_of),
        "hint": TEXTS,
        "weight": DOUBLES,
        "scores": st.dictionaries(TEXTS, DOUBLES, max_size=3),
    },
).map(lambda given: Specimen.message(**given))


def whole(value: Any) -> Any:
    """Whole doubles as integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


def _json(given: Any) -> Any:
    return json_format.MessageToDict(given, preserving_proto_field_name=True)


@given(SPECIMENS)
@example(Specimen.message(ratio=float("inf"), weight=float("-inf"), scores={"a": float("nan")}))
def test_a_message_is_the_json_that_protobuf_makes_of_it(given: Any) -> None:
    """But for whole doubles, and the sign of zero; and both read it alike."""
    data = plain(given)
    parsed = json_format.ParseDict(whole(_json(given)), Specimen.message())
    assert data == whole(_json(parsed))
    assert made(Specimen.message, data).SerializeToString(deterministic=True) == parsed.SerializeToString(
        deterministic=True
    )


@given(STRUCTS)
def test_structs_keep_their_values(values: dict[str, Any]) -> None:
    """There and back, as `Struct.update` would make them."""
    struct = struct_of(values)
    assert values_of(struct) == values
    assert plain_struct(struct) == whole(values)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_has_no_json(number: float) -> None:
    """As protobuf has it."""
    with pytest.raises(ValueError):
        plain(Specimen.message(free=struct_of({"a": [number]})))


@given(SPECIMENS)
@example(Specimen.message(detail={"ratio": -0.0}))
def test_a_row_is_its_message_again(given: Any) -> None:
    """Times to the microsecond, which is what the database keeps."""
    codec = codec_of(spec_of(Specimen))
    row = codec.row(given)
    if given.HasField("ended_at"):
        given.ended_at.nanos -= given.ended_at.nanos % 1000
    if plain(given).get("anything", 0) is None:  # a column knows no other null than its own
        given.ClearField("anything")
    stored = {name: getattr(value, "obj", value) for name, value in row.items()}
    again = codec.message(stored)
    assert plain(again) == plain(given)


def test_json_that_is_older_than_its_message_is_still_read() -> None:
    """Unknown names are left out, names in another case and numbers written as texts are known."""
    spec = spec_of(Specimen)
    row = {"name": "n", "detail": {"gone": 1, "text": "t", "big": 5, "ratio": "Infinity"}, "tags": ["a"]}
    told = codec_of(spec).message(row)
    assert (told.detail.text, told.detail.big, told.detail.ratio, list(told.tags)) == ("t", 5, float("inf"), ["a"])
    assert made(spec.message, {"ownerId": "o", "gone": 1, "small": 3.0}).small == 3


def test_rows_that_are_older_than_their_column_are_read() -> None:
    """Their enum is the empty text."""
    assert codec_of(spec_of(Piece)).message({"color": "", "created_at": datetime(2026, 1, 1, tzinfo=UTC)}).color == 0


@given(
    st.lists(st.sampled_from([0, 0.0, -0.0, 1, 1.0, True, False, "1", "", None, "x" * 100, [1], {"a": 1}]), max_size=8)
)
def test_values_that_look_alike_are_told_apart_and_stand_by_themselves(values: list[Any]) -> None:
    """Small ones are made once, and given to every message that has one."""
    read = [made(Specimen.message, {"anything": value}) for value in values]
    again = [Specimen.message(anything=value_of(value)) for value in values]
    assert [each.SerializeToString() for each in read] == [each.SerializeToString() for each in again]
    for each in read:
        each.anything.string_value = "changed"
    assert [made(Specimen.message, {"anything": value}) for value in values] == again
