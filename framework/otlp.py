"""Sends spans and metrics as OTLP over HTTP, from a thread of its own; imported only where an endpoint is set."""

import time

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from framework.telemetry import Sends, Span

_SCOPE = InstrumentationScope("ashgrove")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_EVERY_MS = 1_000
# Spans that find the queue full are dropped: telemetry never makes anybody wait.
_QUEUE = 8_192
_REQUEST_SECONDS = 5.0
_METRICS_EVERY_MS = 15_000.0


def resource_of(service: str) -> Resource:
    """Returns who sends: the service as OpenTelemetry names it."""
    return Resource({"service.name": f"ashgrove-{service}", "service.namespace": "ashgrove"})


def sends_to(endpoint: str, service: str, ratio: float) -> Sends:
    """Returns what sends spans to `ENDPOINT/v1/traces`, once a second at the latest, and drops what it cannot send."""
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_REQUEST_SECONDS)
    batches = BatchSpanProcessor(exporter, max_queue_size=_QUEUE, schedule_delay_millis=_EVERY_MS)
    resource = resource_of(service)
    return Sends(lambda span: batches.on_end(readable(span, resource)), ratio, batches.shutdown)


def readable(span: Span, resource: Resource) -> ReadableSpan:
    """Returns an ended span as the exporter wants it; it ends now."""
    parent = SpanContext(int(span.trace_id, 16), int(span.parent, 16), True, _SAMPLED) if span.parent else None
    return ReadableSpan(
        span.name,
        SpanContext(int(span.trace_id, 16), int(span.id, 16), False, _SAMPLED),
        parent,
        resource,
        span.attributes,
        kind=SpanKind[span.kind],
        status=Status(StatusCode.ERROR) if span.failed else Status(StatusCode.UNSET),
        start_time=span.began,
        end_time=time.time_ns(),
        instrumentation_scope=_SCOPE,
    )


def metrics_to(endpoint: str) -> PeriodicExportingMetricReader:
    """Returns what sends the metrics that it is given to `ENDPOINT/v1/metrics`, every 15 seconds."""
    exporter = OTLPMetricExporter(endpoint=f"{endpoint.rstrip('/')}/v1/metrics", timeout=_REQUEST_SECONDS)
    return PeriodicExportingMetricReader(exporter, _METRICS_EVERY_MS)
