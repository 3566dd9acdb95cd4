"""Channels to the other services: one per peer and process, with deadline, identity and request id passed on."""

import json
from collections.abc import Sequence
from typing import Any

from grpc import aio

from framework import telemetry
from framework.rpc.current import current_or_none
from framework.rpc.tls import channel_credentials
from framework.rpc.tracing import answered, leaving
from framework.settings import TlsSettings

DEFAULT_SECONDS = 30.0
# No retries here: a call that may have been done is the caller's to repeat.
_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS = (
    ("grpc.service_config", _SERVICE_CONFIG),
    # A new channel looks for itself: else it is told what another one found at the address, and fails as long as that.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A page of long rows is more than gRPC's own 4 MiB; the gateway and the client take as much.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
)


def channel_to(address: str, tls: TlsSettings | None = None, service: str = "") -> aio.Channel:
    """Returns a channel to one or more comma-separated `host:port`; calls are spread over them.

    With TLS, whoever answers must show a certificate of the service's name, wherever it runs.
    """
    target = f"ipv4:{address}" if address[0].isdigit() else address
    interceptors: Sequence[Any] = [_Unary(), _Stream()]
    if tls is None or not tls.tls:
        return aio.insecure_channel(target, options=_OPTIONS, interceptors=interceptors)
    options = (*_OPTIONS, ("grpc.ssl_target_name_override", service))
    return aio.secure_channel(target, channel_credentials(tls), options=options, interceptors=interceptors)


def _passed_on(details: Any, traceparent: str, *, unlimited: bool) -> Any:
    call = current_or_none()
    metadata = list(details.metadata or ())
    given = {key for key, _ in metadata}
    if call and call.token and "authorization" not in given:
        metadata.append(("authorization", f"Bearer {call.token}"))
    if call and "x-request-id" not in given:
        metadata.append(("x-request-id", call.request_id))
    if traceparent := traceparent or (call.traceparent if call else ""):
        metadata.append(("traceparent", traceparent))
    own = details.timeout if unlimited else (details.timeout or DEFAULT_SECONDS)
    timeout = own if call is None or unlimited else min(own, call.remaining())
    return aio.ClientCallDetails(
        details.method, timeout, aio.Metadata(*metadata), details.credentials, details.wait_for_ready
    )


class _Unary(aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        if not telemetry.on():
            return await continuation(_passed_on(client_call_details, "", unlimited=False), request)
        with leaving(client_call_details) as span:
            call = await continuation(
                _passed_on(client_call_details, telemetry.traceparent(), unlimited=False), request
            )
            if span.sampled:
                await answered(call, span)
            return call


class _Stream(aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        span = leaving(client_call_details) if telemetry.on() else telemetry.NOTHING
        header = span.traceparent if span.sampled else telemetry.traceparent()
        call = await continuation(_passed_on(client_call_details, header, unlimited=True), request)
        if span.sampled:
            call.add_done_callback(lambda _: span.end())
        return call


def as_caller(token: str) -> aio.Metadata:
    """Returns call metadata that says who calls, where that is not the caller being served."""
    return aio.Metadata(("authorization", f"Bearer {token}"))
