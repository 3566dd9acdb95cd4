"""Streams as pages of a browser read them: server-sent events and gRPC-Web, through the whole stack."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as runs
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    GetOptimizationRunRequest,
    WatchOptimizationRunRequest,
    WatchOptimizationRunResponse,
)
from google.protobuf.message import Message

from tests.e2e.api import Api, Refused, Setting
from tests.e2e.conftest import ORIGIN
from tests.integration.gateway.browser import M, Reply, asked, server_sent, told

SERVICE = "/ashgrove.optimizer.v1.OptimizerService"
TRIALS = 2
both = pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])


@pytest.fixture(scope="module")
def setting(admin: Api) -> Setting:
    """A program, a space and a dataset."""
    return Setting(admin, validation=20)


@pytest.fixture(scope="module")
def run(setting: Setting) -> str:
    """A finished run."""
    started = str(setting.start(max_trials=TRIALS)["id"])
    setting.watch(started)
    return started


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yields a body as it arrives."""
    while piece := answer.read1(65536):
        yield piece


def events(api: Api, method: str, path: str, body: Any = None) -> Iterator[Any]:
    """Yields the frames of a stream as EventSource would tell them."""
    request: Request = api.request(method, path, body)
    request.add_header("accept", "text/event-stream")
    with urlopen(request, timeout=120) as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        for event in server_sent(pieces(answer)):
            assert event.type == "message"
            yield json.loads(event.data)


class Page:
    """A page of an allowed origin that calls by gRPC-Web."""

    def __init__(self, api: Api, kind: str) -> None:
        self.api = api
        self.kind = kind
        self.reply = Reply()

    def call(self, rpc: str, request: Message, answered: type[M]) -> Iterator[M]:
        """Yields the messages of an answer; the status of the call is in `reply` then."""
        sent = {"content-type": self.kind, "accept": self.kind, "x-grpc-web": "1", "origin": ORIGIN}
        sent["authorization"] = f"Bearer {self.api.key}"
        text = "text" in self.kind
        connection = http.client.HTTPConnection("127.0.0.1", self.api.port, timeout=60)
        try:
            connection.request("POST", f"{SERVICE}/{rpc}", asked(request, as_text=text), sent)
            answer = connection.getresponse()
            assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
            self.reply.take({name.lower(): value for name, value in answer.headers.items()})
            yield from told(pieces(answer), answered, self.reply, as_text=text)
        finally:
            connection.close()


def test_a_run_is_followed_live_by_server_sent_events(setting: Setting) -> None:
    """The first events come while the run is at work, the last is its end; JSON lines tell the same story."""
    started = setting.start(max_trials=TRIALS)["id"]
    frames = []
    for frame in events(setting.api, "GET", f"/v1/optimizationRuns/{started}:watch"):
        frames.append(frame)
        if len(frames) == 1:
            assert setting.api.get(f"/v1/optimizationRuns/{started}")["status"] != "STATUS_COMPLETED"
    assert "end" in frames[-1]
    story = [frame["item"] for frame in frames if "item" in frame]
    assert story[-1]["type"] == "TYPE_RUN_ENDED"
    assert story == setting.watch(started)


def test_an_evaluation_streams_its_results_as_events(setting: Setting) -> None:
    """The other streaming call does so too, though it is a POST."""
    body = {"dataset_id": setting.dataset, "split": "SPLIT_VALIDATION", "metrics": ["exact_match"]}
    frames = list(events(setting.api, "POST", f"/v1/programs/{setting.program}:evaluate", body))
    assert len([frame for frame in frames if "item" in frame]) == setting.validation
    assert "end" in frames[-1]


def test_a_client_is_sent_its_trials_as_events(setting: Setting) -> None:
    """Each as soon as the one before is told, over another connection; the last word is the end."""
    wanted = {
        "variable_space_id": setting.space,
        "evaluator": "EVALUATOR_EXTERNAL",
        "strategy": "STRATEGY_RANDOM",
        "objectives": [{"metric": "loss", "direction": "DIRECTION_MINIMIZE"}],
        "max_trials": 3,
    }
    path, given = f"/v1/optimizationRuns/{setting.api.post('/v1/optimizationRuns', wanted)['id']}", []
    for frame in events(setting.api, "POST", f"{path}:pushTrials", {"client": "page"}):
        for trial in frame.get("item", {}).get("trials", []):
            given.append(trial["number"])
            told = {"client": "page", "completions": [{"number": trial["number"], "objectives": {"loss": 0.5}}]}
            setting.api.post(f"{path}:completeTrials", told)
    assert given == [1, 2, 3] and "end" in frame


def test_a_stream_that_cannot_begin_is_an_ordinary_error(setting: Setting, stranger: Api) -> None:
    """A stranger's watch is NOT_FOUND in JSON, and so is one without a credential UNAUTHENTICATED."""
    run = setting.start(max_trials=TRIALS)["id"]
    for caller, code in ((stranger, 404), (Api(stranger.port, ""), 401)):
        watcher = Api(caller.port, caller.key, accept="text/event-stream")
        with pytest.raises(Refused) as refused:
            watcher.get(f"/v1/optimizationRuns/{run}:watch")
        assert (refused.value.code, bool(refused.value.reason)) == (code, True)


@both
def test_a_page_calls_by_grpc_web(setting: Setting, run: str, kind: str) -> None:
    """Unary and streaming calls give what gRPC gives, in both encodings."""
    page = Page(setting.api, kind)
    (found,) = page.call("GetOptimizationRun", GetOptimizationRunRequest(id=run), runs.OptimizationRun)
    assert (found.id, found.completed_trials, page.reply.status) == (run, TRIALS, 0)
    page = Page(setting.api, kind)
    frames = list(page.call("WatchOptimizationRun", WatchOptimizationRunRequest(id=run), WatchOptimizationRunResponse))
    assert (frames[-1].WhichOneof("frame"), page.reply.status) == ("end", 0)
    sequences = [frame.item.sequence for frame in frames if frame.WhichOneof("frame") == "item"]
    assert sequences == list(range(1, found.last_sequence + 1))


@both
def test_a_page_is_refused_in_grpcs_words(setting: Setting, stranger: Api, run: str, kind: str) -> None:
    """A stranger hears NOT_FOUND, somebody without a credential UNAUTHENTICATED."""
    for caller, status in ((stranger, 5), (Api(stranger.port, "nonsense"), 16)):
        page = Page(caller, kind)
        request = GetOptimizationRunRequest(id=run)
        assert list(page.call("GetOptimizationRun", request, runs.OptimizationRun)) == []
        assert page.reply.status == status and page.reply.message


@pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, True), ("https://evil.example.org", False)])
def test_only_allowed_origins_pass_the_preflight(admin: Api, origin: str, allowed: bool) -> None:
    """What a browser asks before it lets a page call is answered without a credential."""
    wanted = "authorization,content-type,x-grpc-web,x-user-agent"
    headers = {"access-control-request-method": "POST", "access-control-request-headers": wanted, "origin": origin}
    connection = http.client.HTTPConnection("127.0.0.1", admin.port, timeout=60)
    connection.request("OPTIONS", f"{SERVICE}/GetOptimizationRun", headers=headers)
    answer = connection.getresponse()
    assert answer.headers["access-control-allow-origin"] == (origin if allowed else None)
    if allowed:
        assert set(wanted.split(",")) <= set(answer.headers["access-control-allow-headers"].split(", "))
    connection.close()
