"""What belongs to a resource is asked for as text and taken out as messages."""

from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.relationships import edge, included
from hypothesis import given
from hypothesis import strategies as st

from framework.query.includes import Asked, asked_from
from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
texts = st.text(alphabet="a\"\\'(), =é", max_size=8)


@given(texts, texts, st.integers(1, 100), texts)
def test_an_edge_is_read_as_it_was_meant(filter: str, order_by: str, size: int, token: str) -> None:
    """Whatever its filter holds."""
    text = edge("executions", filter=filter, order_by=order_by, page_size=size, page_token=token)
    assert asked_from([text], ["executions"]) == [Asked("executions", "include[0]", filter, order_by, size, token)]


def _program(ids: list[str], token: str = "") -> program_pb2.Program:
    made = program_pb2.Program(id="p")
    page = made.included.add(relationship="executions", next_page_token=token)
    for identifier in ids:
        page.resources.add().Pack(execution_pb2.Execution(id=identifier))
    return made


def test_what_is_included_comes_as_messages_of_its_own_type(served: Served) -> None:
    """By relationship; one that was not asked for is a KeyError."""
    scripted, client = served
    scripted.answer = lambda request, context: _program(["a", "b"])
    found = client.programs.get("p", include=[edge("executions", page_size=2)])
    assert included(found, "executions") == [execution_pb2.Execution(id="a"), execution_pb2.Execution(id="b")]
    with pytest.raises(KeyError):
        included(found, "evaluations")
    (request,) = scripted.asked
    assert list(request.include) == ["executions(page_size=2)"]


def test_all_that_belongs_to_one_is_walked(served: Served) -> None:
    """Page after page, without reading the one again."""
    scripted, client = served
    pages = [_program(["a"], "more"), _program(["b"])]

    def answer(request: Any, context: Any) -> program_pb2.Program:
        return pages.pop(0)

    scripted.answer = answer
    found = client.programs.related("p", "executions", filter='status = "x"', order_by="id")
    assert [one.id for one in found] == ["a", "b"]
    assert [list(request.read_mask.paths) for request in scripted.asked] == [["id"], ["id"]]
    assert ["page_token" in request.include[0] for request in scripted.asked] == [False, True]
