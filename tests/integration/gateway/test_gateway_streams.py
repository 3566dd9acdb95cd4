"""Streams through a real Envoy: JSON lines by default, server-sent events for who accepts them, at once each."""

import json
from typing import Any

from tests.integration.gateway.browser import server_sent
from tests.integration.gateway.conftest import SHARED
from tests.integration.gateway.stage import Answer, Gateway

pytestmark = SHARED
WATCH = "/v1/optimizationRuns/a:watch"
EVENTS = "text/event-stream"


def sequence(frame: Any) -> int:
    """Returns a frame's sequence number."""
    return int(frame["item"]["sequence"])


async def reason(answer: Answer) -> str:
    """Returns the reason of a JSON error."""
    assert answer.headers["content-type"] == "application/json"
    return str(json.loads(await answer.rest())["details"][0]["reason"])


async def test_each_event_is_sent_when_it_happens(plain: Gateway) -> None:
    """The first event is whole in the reader's hands while the second has not happened; so is the first line."""
    events = await plain.ask("GET", WATCH, accept=EVENTS)
    lines = await plain.ask("GET", WATCH)
    assert events.headers["content-type"] == EVENTS
    assert (events.headers["cache-control"], events.headers["x-accel-buffering"]) == ("no-cache", "no")
    assert lines.headers["content-type"] == "application/json"
    (first,) = server_sent([await events.piece()])
    assert sequence(json.loads(first.data)) == 1
    assert sequence(json.loads(await lines.piece())) == 1
    plain.runs.go.set()
    *others, last = [json.loads(event.data) for event in server_sent([await events.rest()])]
    assert [sequence(frame) for frame in others] == [2]
    assert last["end"]["status"]["message"] == "done"
    assert [json.loads(line) for line in (await lines.rest()).splitlines()] == [*others, last]


async def test_every_event_is_one_line_of_data_whatever_is_in_it(plain: Gateway) -> None:
    """Line breaks in a value neither end an event nor forge one."""
    plain.runs.go.set()
    body = await (await plain.ask("GET", WATCH, accept=EVENTS)).rest()
    assert all(block.startswith(b"data: {") and b"\n" not in block for block in body.strip().split(b"\n\n"))
    events = list(server_sent([body[i : i + 1] for i in range(len(body))]))
    assert [event.type for event in events] == ["message"] * 3
    assert json.loads(events[0].data)["item"]["error"] == "a\n\ndata: b"


async def test_the_accept_header_decides_and_only_for_streams(plain: Gateway) -> None:
    """Any case and any company of the media type will do; what is no stream stays JSON."""
    plain.runs.go.set()
    for accept in (EVENTS, "Text/Event-Stream", f"application/json;q=0.5, {EVENTS};q=0.9"):
        assert (await plain.ask("GET", WATCH, accept=accept)).headers["content-type"] == EVENTS
    for accept in ("", "*/*", "application/json", "text/html"):
        assert (await plain.ask("GET", WATCH, accept=accept)).headers["content-type"] == "application/json"
    run = await plain.ask("GET", "/v1/optimizationRuns/a", accept=EVENTS)
    assert run.headers["content-type"] == "application/json"
    assert json.loads(await run.rest())["name"] == "a run"


async def test_an_error_before_the_stream_begins_is_an_ordinary_one(plain: Gateway) -> None:
    """Who asked for events is refused with status and JSON like anybody else."""
    missing = await plain.ask("GET", "/v1/optimizationRuns/missing:watch", accept=EVENTS)
    assert (missing.status, await reason(missing)) == (404, "RESOURCE_NOT_FOUND")
    unknown = await plain.ask("GET", WATCH, accept=EVENTS, authorization="")
    assert (unknown.status, await reason(unknown)) == (401, "CREDENTIAL_REFUSED")
    for path, status in (("/v1/nothing", 404), (f"{WATCH}?nonsense=1", 400)):
        answer = await plain.ask("GET", path, accept=EVENTS)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json")
    assert plain.runs.seen == ["Bearer identity"], "only the known caller's call went through"


async def test_what_is_no_rest_call_leads_nowhere_under_rest_paths(plain: Gateway) -> None:
    """Under /v1/ the content type of gRPC is UNIMPLEMENTED and reaches no service."""
    answer = await plain.ask("POST", WATCH, b"\0\0\0\0\0", content_type="application/grpc")
    assert answer.headers["grpc-status"] == "12"
    assert not plain.runs.seen
