"""Renders Envoy's configuration from the template and the descriptor set: routes follow from the protos alone."""

import json
import re
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from gateway.envoy.local_limit import LocalLimit, local_limit
from gateway.envoy.local_replies import local_replies
from gateway.envoy.security_headers import security_headers
from gateway.envoy.tls import Calling, Listening, downstream, upstream
from gateway.envoy.tracing import collectors, tracing_to

TEMPLATE = Path(__file__).with_name("template.yaml")
MAX_REQUEST_BYTES = 4 * 1024 * 1024
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
EVENT_STREAM = "text/event-stream"
# What pages of other origins may send and read, gRPC-Web's own headers among them. Credentials travel in
# `authorization` only: without cookies no page can act for somebody who merely visits it.
REQUEST_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "grpc-timeout",
    "traceparent",
    "x-ashgrove-organization",
    "x-grpc-web",
    "x-request-id",
    "x-user-agent",
)
RESPONSE_HEADERS = (
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "retry-after",
    "x-request-id",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
)
_UNNAMED = r"/v1/(.*/)?(:[^/?]*)?"
# Envoy tells at its health check which node answered; nobody needs to know.
OF_HEALTH = "x-envoy-upstream-healthchecked-cluster"
_FILTERS = "type.googleapis.com/envoy.extensions.filters.http"
_UNBOUNDED = {
    "typed_per_filter_config": {
        "envoy.filters.http.body_size_limit": {
            "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig",
            "disabled": True,
        }
    }
}


@dataclass(frozen=True)
class GatewaySettings:
    """What the gateway must know: its ports, where each area's service listens, and where to log."""

    port: int
    admin_port: int
    upstreams: dict[str, int]
    """Area, such as `program`, to port on loopback."""
    authz_port: int
    access_log: Path
    allowed_origins: tuple[str, ...] = ()
    """Origins whose pages may call, such as `https://app.example.org`; `*` is any of them; none by default."""
    otlp_endpoint: str = ""
    """Where spans go, such as `http://127.0.0.1:4318`; the gateway makes none when empty."""
    trace_ratio: float = 1.0
    """The share of the calls that came without a trace of which the gateway begins one."""
    listening: Listening | None = None
    """TLS towards clients; none, and plain HTTP, by default."""
    calling: Calling | None = None
    """TLS towards the services, likewise."""
    limit: LocalLimit = field(default_factory=LocalLimit)
    """How much may come from one address."""


def descriptors() -> Path:
    """Returns the descriptor set that belongs to the stubs."""
    return Path(str(resources.files("ashgrove").joinpath("descriptors.binpb")))


def public_services(file: Path) -> list[str]:
    """Returns the services with an HTTP route; others are internal and unreachable through the gateway."""
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return [
        f"{proto.package}.{service.name}"
        for proto in files.file
        for service in proto.service
        if any(method.options.HasExtension(annotations_pb2.http) for method in service.method)
    ]


def render(settings: GatewaySettings) -> str:
    """Returns the whole configuration as YAML."""
    file = descriptors()
    services = public_services(file)
    headers = security_headers(tls=settings.listening is not None)
    return Template(TEMPLATE.read_text()).substitute(
        port=settings.port,
        admin_port=settings.admin_port,
        access_log=json.dumps(str(settings.access_log)),
        transcoder=json.dumps(_transcoder(file, services)),
        local_replies=json.dumps(local_replies(headers)),
        security_headers=json.dumps([{"append": header} for header in headers] + [{"remove": OF_HEALTH}]),
        transport_socket=json.dumps(downstream(settings.listening) if settings.listening else None),
        host=json.dumps(_host(file, services, settings.allowed_origins)),
        tracing=json.dumps(tracing_to(settings.otlp_endpoint, settings.trace_ratio)),
        clusters=json.dumps(
            [
                *(_cluster(area, port, settings.calling) for area, port in settings.upstreams.items()),
                _cluster("authz", settings.authz_port, settings.calling, watched=False),
                *collectors(settings.otlp_endpoint),
            ]
        ),
        healthy=json.dumps({area: {"value": 1} for area in settings.upstreams}),
        max_bytes=MAX_REQUEST_BYTES,
        local_limit=json.dumps(local_limit(settings.limit)),
    )


def _transcoder(file: Path, services: list[str], *, events: bool = False) -> dict[str, Any]:
    """Returns the transcoder's settings; `events` writes streams as server-sent events instead of JSON lines."""
    return {
        "@type": f"{_FILTERS}.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        "proto_descriptor": str(file),
        "services": services,
        "convert_grpc_status": True,
        "case_insensitive_enum_parsing": True,
        "url_unescape_spec": "ALL_CHARACTERS_EXCEPT_SLASH",
        "query_param_unescape_plus": True,
        "max_request_body_size": MAX_REQUEST_BYTES,
        "max_response_body_size": MAX_RESPONSE_BYTES,
        "request_validation_options": {"reject_unknown_method": True, "reject_unknown_query_parameters": True},
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
            "stream_newline_delimited": True,
            "stream_sse_style_delimited": events,
        },
    }


def _host(file: Path, services: list[str], origins: tuple[str, ...]) -> dict[str, Any]:
    """Returns the one virtual host: REST paths in two ways of writing streams, then a route for each service."""
    # The transcoder settles by the REST path how it writes, then the route of the rpc is looked up. What it leaves
    # alone under these paths leads nowhere: no client can send this header. (A direct response would lose CORS.)
    header = "x-ashgrove-internal-nowhere"
    nowhere = {"route": {"cluster_header": header, "cluster_not_found_response_code": "NOT_FOUND"}}
    accepts = {"name": "accept", "string_match": {"contains": EVENT_STREAM, "ignore_case": True}}
    rest: list[dict[str, Any]] = [
        *({"match": {"safe_regex": {"regex": path}}, **_UNBOUNDED, **nowhere} for path in _upload_paths(file)),
        {
            # An empty id is no id: read as the collection's, `/v1/optimizationRuns/:watch` would answer something else.
            "match": {"safe_regex": {"regex": _UNNAMED}},
            "typed_per_filter_config": {
                "envoy.filters.http.grpc_json_transcoder": {**_transcoder(file, []), "request_validation_options": {}}
            },
            **nowhere,
        },
        {
            "match": {"prefix": "/v1/", "headers": [accepts]},
            "typed_per_filter_config": {
                "envoy.filters.http.grpc_json_transcoder": _transcoder(file, services, events=True)
            },
            **nowhere,
        },
        {"match": {"prefix": "/v1/"}, **nowhere},
    ]
    cors = {"typed_per_filter_config": {"envoy.filters.http.cors": _cors(origins)}} if origins else {}
    return {
        "name": "api",
        "domains": ["*"],
        "routes": [*rest, *_upload_routes(file), *(_route(s) for s in services)],
        **cors,
    }


def _uploads(file: Path) -> list[tuple[str, str]]:
    """Returns the RPCs that are asked with a stream, each with its REST path: the service bounds what it takes."""
    files = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return [
        (f"/{proto.package}.{service.name}/{method.name}", method.options.Extensions[annotations_pb2.http].post)
        for proto in files.file
        for service in proto.service
        for method in service.method
        if method.client_streaming and method.options.HasExtension(annotations_pb2.http)
    ]


def _upload_paths(file: Path) -> list[str]:
    return [re.sub(r"\{[^}]*\}", "[^/]+", path) for _, path in _uploads(file)]


def _upload_routes(file: Path) -> list[dict[str, Any]]:
    return [_route(rpc.split("/")[1]) | {"match": {"path": rpc}} | _UNBOUNDED for rpc, _ in _uploads(file)]


def _cors(origins: tuple[str, ...]) -> dict[str, Any]:
    matchers = [{"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in origins]
    return {
        "@type": f"{_FILTERS}.cors.v3.CorsPolicy",
        "allow_origin_string_match": matchers,
        "allow_methods": "GET, POST, PATCH, DELETE",
        "allow_headers": ", ".join(REQUEST_HEADERS),
        "expose_headers": ", ".join(RESPONSE_HEADERS),
        "max_age": "7200",
    }


def _route(service: str) -> dict[str, Any]:
    # `ashgrove.program.v1.ProgramService` belongs to the cluster `program`.
    return {
        "match": {"prefix": f"/{service}/"},
        # For ext_authz alone.
        "request_headers_to_remove": ["cookie"],
        "route": {
            "cluster": service.split(".")[1],
            "timeout": "0s",
            "idle_timeout": "0s",
            "max_stream_duration": {"grpc_timeout_header_max": "0s"},
            "retry_policy": {"retry_on": "connect-failure,refused-stream", "num_retries": 2},
        },
    }


def _cluster(name: str, port: int, calling: Calling | None, *, watched: bool = True) -> dict[str, Any]:
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    check = {
        "timeout": "1s",
        "interval": "1s",
        "no_traffic_interval": "1s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "grpc_health_check": {},
    }
    options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    keepalive = {"connection_keepalive": {"interval": "30s", "timeout": "10s"}, "max_concurrent_streams": 20000}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "lb_policy": "LEAST_REQUEST",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "circuit_breakers": {
            "thresholds": [{"max_connections": 1024, "max_pending_requests": 20000, "max_requests": 30000}]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options,
                "explicit_http_config": {"http2_protocol_options": keepalive},
            }
        },
        **({"health_checks": [check]} if watched else {}),
        **({"transport_socket": upstream(calling, name)} if calling else {}),
    }
