"""What the client asks for about executions: many at once, feedback on them, examples made of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from ashgrove.cli import main
from ashgrove.client import Client
from ashgrove.program.v1 import dataset_pb2, feedback_pb2
from ashgrove.program.v1.batch_execution_requests_pb2 import BatchExecuteProgramResponse, BatchExecutionResult
from ashgrove.program.v1.feedback_requests_pb2 import AddExecutionToDatasetRequest, AddExecutionToDatasetResponse
from click.testing import CliRunner

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]


def test_feedback_says_what_was_given_and_no_more(served: Served) -> None:
    """A score of nought is one, an absent one is none; corrections are there when they were made."""
    scripted, client = served
    scripted.answer = lambda request, context: request.feedback
    assert client.feedback.give("e", 0.0, corrected_outputs={"language": "sv"}).score == 0.0
    client.feedback.give("e", label="good", rubric="helpfulness@3")
    first, second = (asked.feedback for asked in scripted.asked)
    assert first.HasField("score") and first.corrected_outputs["language"] == "sv"
    assert second == feedback_pb2.Feedback(execution_id="e", label="good", rubric="helpfulness@3")


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        ({}, {}),
        ({"feedback_id": "f", "split": "test"}, {"feedback_id": "f", "split": dataset_pb2.SPLIT_TEST}),
        ({"skip_duplicate": True}, {"skip_duplicate": True}),
    ],
)
def test_an_execution_is_added_with_what_is_expected(served: Served, how: Any, asked: Any) -> None:
    """Its own outputs where nothing else is said."""
    scripted, client = served
    scripted.answer = lambda request, context: AddExecutionToDatasetResponse()
    client.datasets.add_execution("d", "e", **how)
    client.datasets.add_execution("d", "e", outputs={"language": "sv"})
    assert scripted.asked[0] == AddExecutionToDatasetRequest(id="e", dataset_id="d", **asked)
    assert scripted.asked[1].outputs["language"] == "sv" and not scripted.asked[1].feedback_id


def _answered(request: Any, context: Any) -> BatchExecuteProgramResponse:
    results = [BatchExecutionResult(execution={"inputs": each}) for each in request.inputs]
    return BatchExecuteProgramResponse(results=results)


def test_many_inputs_go_in_batches_and_come_back_in_their_order(served: Served) -> None:
    """Nothing is asked for before it is wanted; what `execute` takes, each batch takes."""
    scripted, client = served
    scripted.answer = _answered
    results = client.programs.execute_many("p", ({"n": n} for n in range(5)), at_once=2, alias="canary")
    assert next(results).execution.inputs["n"] == 0 and len(scripted.asked) == 1
    assert [result.execution.inputs["n"] for result in results] == [1, 2, 3, 4]
    assert [len(asked.inputs) for asked in scripted.asked] == [2, 2, 1] and scripted.asked[2].alias == "canary"


def test_a_file_of_inputs_becomes_a_file_of_results(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line for each, empty ones left out; a line that is no object is named before anything is asked."""
    scripted, client = served
    scripted.answer = _answered
    monkeypatch.setenv("ASHGROVE_ADDRESS", client.address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    given, out = tmp_path / "inputs.jsonl", tmp_path / "results.jsonl"
    given.write_text('{"text": "hav"}\n\n{"text": "und"}\n')
    done = CliRunner().invoke(main, ["programs", "batch", "p", str(given), "--out", str(out), "--at-once", "1"])
    assert done.exit_code == 0 and len(scripted.asked) == 2
    assert [json.loads(line)["execution"]["inputs"]["text"] for line in out.read_text().splitlines()] == ["hav", "und"]
    given.write_text('{"text": "hav"}\n["und"]\n')
    refused = CliRunner().invoke(main, ["programs", "batch", "p", str(given)])
    assert refused.exit_code == 2 and "line 2" in refused.output and len(scripted.asked) == 2
