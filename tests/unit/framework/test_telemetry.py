"""Spans: free and silent where nobody wants them, whole traces or none where somebody does, and never a secret."""

import asyncio
import threading
from pathlib import Path

import pytest

from framework import otlp, telemetry
from framework.errors import NotFound
from framework.events.measures import METRICS
from framework.otlp import readable, resource_of, sends_to
from framework.settings import ServiceSettings
from framework.telemetry import NOTHING, Traced, span
from framework.testing.canaries import plant
from framework.testing.spans import collecting, recorded
from framework.testing.specimen import message

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_without_an_endpoint_every_span_is_the_same_that_does_nothing() -> None:
    with span("work", {"n": 1}) as one, span("within") as other:
        one.set("more", 2)
    assert one is other is NOTHING
    assert not one.attributes
    assert telemetry.traceparent() == telemetry.trace_id() == ""


def test_a_span_stands_below_the_one_around_it() -> None:
    with recorded() as kept:
        with span("outer") as outer:
            with span("inner", {"n": 1}) as inner:
                assert telemetry.traceparent() == f"00-{outer.trace_id}-{inner.id}-01"
            assert telemetry.trace_id() == outer.trace_id
        assert telemetry.trace_id() == ""
    assert [(s.name, s.parent) for s in kept] == [("inner", outer.id), ("outer", "")]
    assert inner.trace_id == outer.trace_id
    assert inner.attributes == {"n": 1}


async def test_tasks_that_run_at_once_have_each_their_own_current_span() -> None:
    async def work(name: str) -> None:
        with span(name):
            await asyncio.sleep(0)
            with span(f"in {name}"):
                await asyncio.sleep(0)

    with recorded() as kept, span("all") as around:
        await asyncio.gather(*(work(str(i)) for i in range(3)))
    names = {s.id: s.name for s in kept}
    assert {s.name: names.get(s.parent) for s in kept if s.name.startswith("in")} == {
        f"in {i}": str(i) for i in range(3)
    }
    assert around.id in {s.parent for s in kept}


def test_a_trace_is_sent_whole_or_not_at_all() -> None:
    with recorded(ratio=0.0) as kept, span("outer") as outer:
        assert outer.trace_id, "logs and the trail tell the trace all the same"
        with span("inner", {"n": 1}) as inner:
            assert inner is NOTHING
    assert not kept
    with recorded(ratio=0.0) as kept:
        with telemetry.serving("rpc", HEADER) as served:
            assert (served.trace_id, served.parent) == (HEADER[3:35], HEADER[36:52])
        telemetry.serving("rpc", HEADER[:-2] + "00").end()
    assert [s.name for s in kept] == ["rpc"], "who began the trace has chosen"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        f"ff{HEADER[2:]}",
        f"00-{'0' * 32}-{HEADER[36:]}",
        f"{HEADER[:36]}{'0' * 16}-01",
        HEADER.upper(),
        HEADER + "-",
    ],
)
def test_an_unsound_traceparent_is_as_good_as_none(header: str) -> None:
    assert Traced.by(header) == Traced()


def test_what_only_polls_begins_no_trace() -> None:
    with recorded() as kept, span("poll", alone=False):
        pass
    assert not kept


def test_texts_are_cut_and_the_secrets_of_the_request_struck_out_below_it_too() -> None:
    request = message("CreateSpecimenRequest")(specimen=plant(message("Specimen")(), "canary-5512"))
    with recorded() as kept, telemetry.serving("rpc", "") as served:
        served.keep_from_it(request)
        served.set("long", "x" * 1_000)
        with span("inner", {"said": "it was canary-5512"}):
            pass
    assert kept[0].attributes["said"] == "it was [sensitive]"
    assert len(str(kept[1].attributes["long"])) == 256


def test_a_fault_is_told_by_its_kind_alone_and_a_refusal_is_none() -> None:
    with recorded() as kept:
        for raised in (ValueError("canary-77"), NotFound("specimen", "1"), asyncio.CancelledError()):
            with pytest.raises(type(raised)), span("work"):
                raise raised
    assert [(s.failed, s.attributes.get("error.type")) for s in kept] == [
        (True, "ValueError"),
        (False, "NotFound"),
        (False, None),
    ]
    assert "canary" not in readable(kept[0], resource_of("t")).to_json()


def test_spans_arrive_at_a_collector_as_otlp() -> None:
    with collecting() as collector:
        telemetry.through(sends_to(collector.endpoint, "program", 1.0))
        with span("outer", {"n": 3}) as outer, span("inner", kind=telemetry.CLIENT):
            pass
        telemetry.stop()
    (one, inner), (other, sent) = collector.spans
    assert one == other == "ashgrove-program"
    assert sent.trace_id.hex() == inner.trace_id.hex() == outer.trace_id
    assert (inner.parent_span_id.hex(), sent.parent_span_id.hex()) == (outer.id, "")
    assert sent.end_time_unix_nano >= sent.start_time_unix_nano > 0
    assert [(a.key, a.value.int_value) for a in sent.attributes] == [("n", 3)]


def test_a_collector_that_is_away_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither who does the work nor, for longer than one request may take, who stops; and no thread is left trying."""
    monkeypatch.setattr(otlp, "_REQUEST_SECONDS", 0.2)
    before = set(threading.enumerate())
    telemetry.through(sends_to("http://127.0.0.1:1", "program", 1.0))
    with span("work"):
        pass
    telemetry.stop()
    assert set(threading.enumerate()) <= before


def test_the_page_names_every_setting_and_metric() -> None:
    page = (Path(__file__).parents[3] / "docs" / "telemetry.md").read_text()
    settings = [name for name in ServiceSettings.model_fields if name.startswith(("otlp", "trace"))]
    assert len(settings) == 2
    for told in (*METRICS, *(f"ASHGROVE_{name.upper()}" for name in settings)):
        assert f"`{told}`" in page
