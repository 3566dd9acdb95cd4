"""Aggregates from the client and the command line: what is asked, and how the answer reads."""

import json
from typing import Any

import pytest
from ashgrove import cli
from ashgrove.client import Client
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import ListProgramsResponse
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest, AggregateResponse
from click.testing import CliRunner
from google.protobuf.json_format import ParseDict

from tests.unit.client.conftest import Scripted

ANSWER = ParseDict(
    {
        "rows": [
            {"keys": {"status": "WORK_STATUS_FAILED"}, "values": {"count": 3, "slow": 2.5, "last": None}},
            {"keys": {"status": None}, "values": {"count": 1, "slow": None, "last": None}},
        ],
        "truncated": True,
    },
    AggregateResponse(),
)


def test_groups_are_plain_data(served: tuple[Scripted, Client]) -> None:
    """Whole numbers are whole, nulls are None."""
    scripted, client = served
    scripted.answer = lambda request, context: ANSWER
    found = client.aggregates.of(
        "programs", "count()", by=["status"], having="count > 0", order_by="count desc", most=2
    )
    assert found.truncated
    assert found.groups[0] == {"status": "WORK_STATUS_FAILED", "count": 3, "slow": 2.5, "last": None}
    assert scripted.asked == [
        AggregateRequest(measures=["count()"], group_by=["status"], having="count > 0", order_by="count desc", limit=2)
    ]


def test_collections_are_those_of_the_contracts(served: tuple[Scripted, Client]) -> None:
    """Another one is refused before anything is sent, with those that there are."""
    _, client = served
    assert {"executions", "audit_entries", "trials"} <= set(client.aggregates.collections)
    with pytest.raises(ValueError, match="nothing to aggregate called elephants; there are api_keys, "):
        client.aggregates.of("elephants", "count()")


def test_the_command_line_shows_a_table_or_json(
    served: tuple[Scripted, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The table says when there are more groups."""
    scripted, client = served
    monkeypatch.setenv("ASHGROVE_ADDRESS", client.address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    scripted.answer = lambda request, context: ANSWER
    asked: Any = ["aggregate", "programs", "count()", "p95(small) as slow", "--by", "status"]
    table = CliRunner().invoke(cli.main, asked).output
    assert "WORK_STATUS_FAILED" in table and "None" not in table and "more than 2 groups" in table
    lines = CliRunner().invoke(cli.main, [*asked, "--json"]).output.splitlines()
    assert [json.loads(line)["count"] for line in lines] == [3, 1]


def test_computed_fields_are_asked_for_by_name(
    served: tuple[Scripted, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one and of many, from the client and the command line."""
    scripted, client = served
    monkeypatch.setenv("ASHGROVE_ADDRESS", client.address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    scripted.answer = lambda request, context: program_pb2.Program(execution_count=3)
    assert client.programs.get("p", fields=["execution_count"]).execution_count == 3
    assert scripted.asked[-1].read_mask.paths == ["execution_count"]
    scripted.answer = lambda request, context: ListProgramsResponse(programs=[program_pb2.Program(execution_count=3)])
    asked = ["programs", "list", "--field", "execution_count", "--order-by", "execution_count desc"]
    assert "3" in CliRunner().invoke(cli.main, asked).output
    assert scripted.asked[-1].read_mask.paths == ["execution_count"]
    assert scripted.asked[-1].order_by == "execution_count desc"
