"""What the client asks for about feedback and examples made of executions."""

from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.program.v1 import dataset_pb2, feedback_pb2
from ashgrove.program.v1.feedback_requests_pb2 import AddExecutionToDatasetRequest, AddExecutionToDatasetResponse

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
