"""Where this process's spans go, and the spans of the calls that it serves and makes: docs/telemetry.md."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import grpc

from framework import telemetry
from framework.call import Context
from framework.rpc.current import current_or_none
from framework.settings import ServiceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader

# A server's own faults, as OpenTelemetry counts them; every other refusal is an answer.
_FAULTS = frozenset(
    code.value[0]
    for code in grpc.StatusCode
    if code.name in ("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS")
)
_log = logging.getLogger("ashgrove.rpc")


def start(settings: ServiceSettings, service: str) -> None:
    """Has this process send its spans where the settings say; nothing is imported or done where they say nothing."""
    if settings.otlp_endpoint:
        from framework.otlp import sends_to

        telemetry.through(sends_to(settings.otlp_endpoint, service, settings.trace_ratio))


def readers(settings: ServiceSettings) -> Sequence["MetricReader"]:
    """Returns what reads this process's metrics besides its log: what sends them where the settings say."""
    if not settings.otlp_endpoint:
        return ()
    from framework.otlp import metrics_to

    return (metrics_to(settings.otlp_endpoint),)


@asynccontextmanager
async def traced(details: Any, context: Any) -> AsyncIterator[None]:
    """Logs each call once, with method, status, time and request id, and tells its trace of it; payloads never."""
    began = time.monotonic()
    span = _span_of(details) if telemetry.on() else None
    try:
        yield
    finally:
        call = current_or_none()
        code = context.code() or grpc.StatusCode.OK
        if span is not None:
            _end(span, call, code)
        _log.debug(
            "%s %s",
            details.method,
            getattr(code, "name", code),
            extra={"request_id": call.request_id if call else "", "ms": round((time.monotonic() - began) * 1000, 1)},
        )


def _span_of(details: Any) -> telemetry.Span:
    """Returns the span of a call, entered: what happens in its task is below it."""
    header = next((v for k, v in details.invocation_metadata or () if k == "traceparent"), "")
    name, told = told_of(details.method)
    span = telemetry.serving(name, header, told)
    if span.sampled:
        span.keep_from_it(details.request)
    span.enter()
    return span


def _end(span: telemetry.Span, call: Context | None, code: Any) -> None:
    if span.sampled:
        # Written with `context.write`, a call may have set a bare number.
        number = code.value[0] if isinstance(code, grpc.StatusCode) else int(code)
        span.set("rpc.grpc.status_code", number)
        if number in _FAULTS:
            span.failed = True
        if call is not None:
            span.set("ashgrove.organization.id", call.actor.organization_id or "")
            span.set("ashgrove.actor.kind", call.actor.kind.value)
            span.set("ashgrove.request.id", call.request_id)
    span.end()


def told_of(method: str | bytes) -> tuple[str, dict[str, str]]:
    """Returns the name of the span of an RPC, by its path, and what is known of it at once."""
    name = (method.decode() if isinstance(method, bytes) else method).lstrip("/")
    service, _, rpc = name.partition("/")
    return name, {"rpc.system": "grpc", "rpc.service": service, "rpc.method": rpc}


def leaving(details: Any) -> telemetry.Span:
    """Returns the span of a call to another service, nothing where no trace wants it."""
    return telemetry.span(*told_of(details.method), kind=telemetry.CLIENT, alone=False)


async def answered(call: Any, span: telemetry.Span) -> None:
    """Waits for the answer, as the caller does; a caller who leaves meanwhile ends the call."""
    try:
        code = await call.code()
    except asyncio.CancelledError:
        call.cancel()
        raise
    span.set("rpc.grpc.status_code", code.value[0])
    span.failed = code.value[0] in _FAULTS
