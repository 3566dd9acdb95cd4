"""What Envoy is told about traces: nothing, unless there is a collector that takes OTLP over plain HTTP."""

from typing import Any
from urllib.parse import urlsplit

_TRACERS = "type.googleapis.com/envoy.config.trace.v3"
_CLUSTER = "otlp"
_HTTP_PORT = 80


def tracing_to(endpoint: str, ratio: float) -> dict[str, Any] | None:
    """Returns how the connection manager traces: a span for each call, the parent of the service's own.

    Who sends a `traceparent` has chosen whether the call is sent; of the rest the gateway sends a share.
    """
    if not endpoint:
        return None
    uri = {"uri": f"{endpoint.rstrip('/')}/v1/traces", "cluster": _CLUSTER, "timeout": "5s"}
    provider = {
        "@type": f"{_TRACERS}.OpenTelemetryConfig",
        "service_name": "ashgrove-gateway",
        "http_service": {"http_uri": uri},
    }
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
        "random_sampling": {"value": 100.0 * ratio},
        # The path of a REST call holds ids and filters; the access log has them, the spans do not.
        "max_path_tag_length": 1,
    }


def collectors(endpoint: str) -> list[dict[str, Any]]:
    """Returns the cluster of the collector, where there is one."""
    if not endpoint:
        return []
    at = urlsplit(endpoint)
    if at.scheme != "http" or not at.hostname:
        raise ValueError(f"{endpoint}: the gateway sends spans to http://HOST:PORT only; put a collector beside it")
    address = {"socket_address": {"address": at.hostname, "port_value": at.port or _HTTP_PORT}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return [
        {
            "name": _CLUSTER,
            "type": "STRICT_DNS",
            "connect_timeout": "1s",
            "load_assignment": {"cluster_name": _CLUSTER, "endpoints": endpoints},
        }
    ]
