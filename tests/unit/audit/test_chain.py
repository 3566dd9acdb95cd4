"""The links of an audit chain: any change of any part of any row is found where it was made."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from ashgrove.audit_chain import FIRST, VERSION, link_of, payload_digest_of, payload_of
from ashgrove.audit_verification import Verification
from hypothesis import given
from hypothesis import strategies as st

data = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def chain(*told: Any, version: int = VERSION) -> list[dict[str, Any]]:
    """A sound chain of rows that tell these data."""
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(told, 1):
        row = {
            "chain": str(UUID(int=1)),
            "sequence": number,
            "id": UUID(int=number),
            "type": "program.created",
            "action": "CreateProgram",
            "outcome": "OK",
            "resource_type": "program",
            "resource_id": None,
            "actor": {"kind": "KIND_SERVICE", "id": "program"},
            "actor_id": None,
            "request_id": "r",
            "source": "program",
            "source_sequence": number,
            "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            "data": one,
            "changed_paths": [],
            "before": {},
            "client_address": "192.0.2.1",
            "user_agent": "curl",
            "trace_id": "",
            "link_version": version,
            "payload_salt": "00" * 16,
            "previous_hash": rows[-1]["hash"] if rows else FIRST,
        }
        row["payload_digest"] = payload_digest_of(row)
        rows.append({**row, "hash": link_of(row["previous_hash"], row)})
    return rows


@given(st.lists(data, max_size=4))
def test_a_sound_chain_holds_whatever_it_tells(told: list[Any]) -> None:
    """Its head is its last link."""
    rows, walk = chain(*told), Verification()
    assert walk.walk(rows)
    assert (walk.count, walk.head, walk.broken_at) == (len(rows), rows[-1]["hash"] if rows else FIRST, 0)


_OTHER: dict[type, Any] = {str: "x", int: 7, UUID: UUID(int=9), dict: {"id": "y"}, list: ["z"], bytes: b"{}"}


@pytest.mark.parametrize("column", sorted(chain({})[0]))
def test_a_changed_column_breaks_the_chain_at_its_row(column: str) -> None:
    """Whatever the column."""
    rows = chain({"a": 1}, {"a": 2}, {"a": 3})
    old = rows[1][column]
    rows[1][column] = (
        datetime(2027, 1, 1, tzinfo=UTC) if isinstance(old, datetime) else _OTHER.get(type(old), UUID(int=9))
    )
    walk = Verification()
    assert not walk.walk(rows)
    assert (walk.broken_at, walk.count) == (2, 1)


@pytest.mark.parametrize("order", [(0, 2), (1, 2), (0, 2, 1), (0, 0, 1)])
def test_a_missing_moved_or_doubled_row_breaks_the_chain(order: tuple[int, ...]) -> None:
    """The first place that is wrong is named."""
    rows = chain({}, {}, {})
    walk = Verification()
    assert not walk.walk([rows[i] for i in order])
    assert walk.broken_at == (1 if order[0] else 2)


def test_a_rewritten_row_needs_every_later_link_rewritten() -> None:
    """Who forges a link and its hash is found one row later."""
    rows = chain({}, {}, {})
    rows[1] |= {"outcome": "FORGED"}
    rows[1]["hash"] = link_of(rows[1]["previous_hash"], rows[1])
    walk = Verification()
    assert not walk.walk(rows)
    assert walk.broken_at == 3


def test_entries_from_before_links_covered_more_still_hold() -> None:
    """Their links stay as they were made; which columns a link covers is covered itself."""
    for version in (1, 2):
        assert Verification().walk(chain({"a": 1, "large": 1e300, "half": 0.5}, version=version))
    (row,) = chain({"a": 1})
    row["link_version"] = 1
    assert not Verification().walk([row])


@given(data)
def test_payloads_are_rfc_8785_whichever_way_they_are_written(told: Any) -> None:
    """The quick way and the library's are one text, whatever is told."""
    (row,) = chain(told)
    whole = {"before": {}, "changed_paths": [], "data": told}
    assert payload_of(row) == rfc8785.dumps(whole)
