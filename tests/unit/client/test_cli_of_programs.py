"""The words of the command line about programs' figures, the code they can use, and the organization's defaults."""

import json
from typing import Any

import pytest
from ashgrove import cli
from ashgrove.client import Client
from ashgrove.program.v1 import metric_pb2, program_defaults_pb2
from ashgrove.resource.v1.aggregate_pb2 import AggregateResponse
from click.testing import CliRunner, Result
from google.protobuf.json_format import ParseDict

from tests.unit.client.conftest import Scripted

ALIKE = {"primary_metric": "exact_match", "dataset_id": "d", "split": "SPLIT_TEST"}


@pytest.fixture
def gateway(served: tuple[Scripted, Client], monkeypatch: pytest.MonkeyPatch) -> Scripted:
    """The scripted server, as the environment of a command names it."""
    monkeypatch.setenv("ASHGROVE_ADDRESS", served[1].address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    return served[0]


def said(*words: str) -> Result:
    """Runs a command on a wide screen."""
    return CliRunner().invoke(cli.main, ["programs", *words], env={"COLUMNS": "200"})


def groups(*rows: dict[str, Any]) -> AggregateResponse:
    """An answer of groups, each of the same metric, dataset and split."""
    told = [{"keys": {**ALIKE, **row.pop("keys", {})}, "values": row} for row in rows]
    return ParseDict({"rows": told}, AggregateResponse())


def test_best_is_the_smallest_of_what_is_to_be_small(gateway: Scripted) -> None:
    """What the server calls a gain is shown as the score; groups without any are left out."""
    answer = groups(
        {"gain": 0.75, "count": 4, "keys": {"direction": "DIRECTION_MAXIMIZE"}},
        {"gain": -12, "count": 2, "keys": {"direction": "DIRECTION_MINIMIZE"}},
        {"gain": None, "count": 1, "keys": {"direction": "DIRECTION_MAXIMIZE"}},
    )
    gateway.answer = lambda request, context: answer
    lines = [json.loads(line) for line in said("best", "p", "--json").output.splitlines()]
    assert [line["score"] for line in lines] == [0.75, 12] and 'program_id = "p"' in gateway.asked[0].filter
    assert "exact_match" in said("best", "p").output


def test_efficiency_is_asked_of_so_many_days(gateway: Scripted) -> None:
    """A month unless another span is named; free ones have no score per credit."""
    gateway.answer = lambda request, context: groups({"score_per_credit": None, "count": 3})
    (line,) = said("efficiency", "p", "--json").output.splitlines()
    assert json.loads(line)["score_per_credit"] is None
    said("efficiency", "p", "--days", "7")
    assert ["ago(30d)" in gateway.asked[0].filter, "ago(7d)" in gateway.asked[1].filter] == [True, True]


def test_tools_and_retrievers_say_why_one_cannot_be_used(gateway: Scripted) -> None:
    """As tables and as a line of JSON each, with the fault of what does not load."""
    broken = metric_pb2.InstalledTool(entry_point="search@1", error="no module named search")
    gateway.answer = lambda request, context: metric_pb2.ListToolsResponse(tools=[broken])
    assert "no module named search" in said("tools").output
    assert json.loads(said("tools", "--json").output)["entry_point"] == "search@1"
    there = [metric_pb2.Retriever(name="nearest", built_in=True), metric_pb2.Retriever(name="wiki@2", error="gone")]
    gateway.answer = lambda request, context: metric_pb2.ListRetrieversResponse(retrievers=there)
    assert [json.loads(line)["name"] for line in said("retrievers", "--json").output.splitlines()] == [
        "nearest",
        "wiki@2",
    ]


def test_defaults_are_set_whole_and_what_none_is_called_is_refused(gateway: Scripted) -> None:
    """Nothing is sent of what cannot be set; the sentence names it."""
    gateway.answer = lambda request, context: program_defaults_pb2.ProgramDefaults(defaults=request.defaults)
    told = said("set-defaults", '{"model": "fast", "max_tokens": 100}')
    assert json.loads(told.output) == {"model": "fast", "max_tokens": 100}
    refused = said("set-defaults", '{"colour": "red"}')
    assert refused.exit_code == 2 and "colour" in refused.output
    assert said("set-defaults", '{"max_tokens": "many"}').exit_code == 2
    assert len(gateway.asked) == 1
