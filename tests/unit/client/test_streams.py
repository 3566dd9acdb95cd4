"""Streams: taken up where they broke, ended where the server says so."""

import grpc
import pytest
from ashgrove import errors, runs
from ashgrove.client import Client
from ashgrove.event.v1 import event_pb2
from ashgrove.optimizer.v1 import run_event_pb2
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import WatchOptimizationRunResponse
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramResponse
from google.rpc import code_pb2, status_pb2

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
END = WatchOptimizationRunResponse(end=event_pb2.End())
BEAT = WatchOptimizationRunResponse(heartbeat=event_pb2.Heartbeat(sequence=9))


def _event(sequence: int) -> WatchOptimizationRunResponse:
    return WatchOptimizationRunResponse(item=run_event_pb2.RunEvent(sequence=sequence))


def test_a_dropped_watch_is_taken_up_after_the_last_event(served: Served) -> None:
    """No event is lost and none comes twice; the second stream starts after the last one seen."""
    scripted, client = served
    scripted.watches = [[_event(1), _event(2), grpc.StatusCode.UNAVAILABLE], [BEAT, _event(3), END]]
    assert [e.sequence for e in client.runs.watch("r")] == [1, 2, 3]
    assert [r.from_sequence for r in scripted.asked] == [0, 2]


def test_a_watch_that_ends_without_an_end_is_taken_up_too(served: Served) -> None:
    """A gateway that closes a stream politely has not ended the run."""
    scripted, client = served
    scripted.watches = [[_event(1)], [_event(2), END]]
    assert [e.sequence for e in client.runs.watch("r")] == [1, 2]


def test_a_watch_gives_up_when_nothing_comes(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a sign of life for as long as its patience, a watch says so."""
    scripted, client = served
    monkeypatch.setattr(runs, "_PATIENCE_SECONDS", -1.0)
    scripted.watches = [[]]
    with pytest.raises(errors.Unavailable, match="ended before the run did"):
        list(client.runs.watch("r"))


def test_other_refusals_of_a_watch_are_raised(served: Served) -> None:
    """Only UNAVAILABLE is worth another try."""
    scripted, client = served
    scripted.watches = [[_event(1), grpc.StatusCode.PERMISSION_DENIED]]
    with pytest.raises(errors.PermissionDenied):
        list(client.runs.watch("r"))
    assert len(scripted.asked) == 1


def test_an_evaluation_is_its_latest_state(served: Served) -> None:
    """Results come one by one; the last evaluation in a frame is what stands at the end."""
    scripted, client = served
    done = execution_pb2.Evaluation(id="e", scores={"exact_match": 0.5}, status=execution_pb2.WORK_STATUS_COMPLETED)
    scripted.frames = [
        EvaluateProgramResponse(item=execution_pb2.EvaluationResult(sequence=1)),
        EvaluateProgramResponse(heartbeat=event_pb2.Heartbeat(sequence=1)),
        EvaluateProgramResponse(end=event_pb2.End(), evaluation=done),
    ]
    evaluated = client.programs.evaluate("p", "d", "test", {"rule_count": 3})
    assert [r.sequence for r in evaluated] == [1]
    assert evaluated.evaluation.scores["exact_match"] == 0.5
    assert scripted.asked[0].configuration["rule_count"] == 3


def test_an_evaluation_that_failed_is_an_error(served: Served) -> None:
    """A stream that ends with a status other than OK raises it, so that no score is read from what failed."""
    scripted, client = served
    status = status_pb2.Status(code=code_pb2.UNAVAILABLE, message="the model does not answer")
    scripted.frames = [EvaluateProgramResponse(end=event_pb2.End(status=status))]
    with pytest.raises(errors.Unavailable, match="the model does not answer"):
        client.programs.evaluate("p", "d").wait()
