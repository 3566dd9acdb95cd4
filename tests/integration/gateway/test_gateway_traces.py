"""The gateway's part of a trace: it continues its caller's, begins one where there is none, and tells no path."""

import asyncio
from pathlib import Path

from framework.telemetry import Traced
from framework.testing.spans import collecting
from tests.integration.gateway.stage import gateway

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
# As many as Envoy waits for before it sends.
CALLS = 5


async def test_a_call_has_a_span_of_the_gateways_between_its_caller_and_the_service(tmp_path: Path) -> None:
    """Which says nothing of what was asked for; who asks not to be sampled is not."""
    with collecting() as collector:
        async with gateway(tmp_path, otlp_endpoint=collector.endpoint) as running:
            asked = "/v1/optimizationRuns?filter=name+%3D+canary"
            for header in [HEADER[:-2] + "00", ""] + [HEADER] * CALLS:
                await (await running.ask("GET", asked, traceparent=header)).rest()
            spans = [span for _, span in await asyncio.to_thread(collector.wait_for, {"ashgrove-gateway"})]
            untold, begun, *continued = map(Traced.by, running.runs.traces)
    assert not untold.sampled
    assert begun.sampled and begun.trace_id != HEADER[3:35]
    assert {one.trace_id for one in continued} == {HEADER[3:35]}
    upstream = {one.parent for one in (begun, *continued)}
    parents = {span.span_id.hex(): span.parent_span_id.hex() for span in spans}
    # The service's parent is a span that the gateway sent, and its own parent the caller's.
    assert [parents[one.parent] for one in continued if one.parent in parents].count(HEADER[36:52]) >= 1
    assert upstream & parents.keys()
    assert "canary" not in str(spans)
