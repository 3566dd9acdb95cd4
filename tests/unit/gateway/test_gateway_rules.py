"""The rendered configuration follows the gateway's rules."""

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from gateway.envoy.render import GatewaySettings, public_services, render

AREAS = {"auth": 1, "program": 2, "variables": 3, "optimizer": 4, "audit": 5}


@pytest.fixture(scope="module")
def manager() -> dict[str, Any]:
    """The settings of the HTTP connection manager."""
    text = render(GatewaySettings(8080, 8081, AREAS, 6, Path("/logs: here #1/access.log")))
    listener = yaml.safe_load(text)["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def filters(manager: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the filters' settings by short name, in order."""
    return {f["name"].rpartition(".")[2]: f["typed_config"] for f in manager["http_filters"]}


def host(manager: dict[str, Any]) -> dict[str, Any]:
    """Returns the only host."""
    found: dict[str, Any] = manager["route_config"]["virtual_hosts"][0]
    return found


def routes(manager: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the routes of the services."""
    return [route for route in host(manager)["routes"] if "cluster" in route["route"]]


def test_filters_stand_in_order(manager: dict[str, Any]) -> None:
    """Authorization, limits and metrics come after the transcoder: they see one name per RPC."""
    order = [
        "health_check",
        "cors",
        "grpc_web",
        "grpc_json_transcoder",
        "local_ratelimit",
        "ext_authz",
        "grpc_stats",
        "router",
    ]
    assert [name for name in filters(manager) if name in order] == order


def test_a_service_without_routes_is_internal(tmp_path: Path) -> None:
    """Only services with an HTTP annotation are public."""
    files = descriptor_pb2.FileDescriptorSet()
    file = files.file.add(name="a.proto", package="ashgrove.a.v1")
    file.service.add(name="InternalService").method.add(name="Exchange")
    method = file.service.add(name="AService").method.add(name="Get")
    method.options.Extensions[annotations_pb2.http].get = "/v1/a"
    (tmp_path / "set.binpb").write_bytes(files.SerializeToString())
    assert public_services(tmp_path / "set.binpb") == ["ashgrove.a.v1.AService"]


def test_only_public_services_are_routed(manager: dict[str, Any]) -> None:
    """Each route leads to one public service of its area; there is no catch-all."""
    matches = [r["match"] for r in routes(manager)]
    prefixes = [match["prefix"] for match in matches if "prefix" in match]
    services = filters(manager)["grpc_json_transcoder"]["services"]
    assert prefixes == [f"/{s}/" for s in services]
    assert not [p for p in prefixes if "Internal" in p or "EventFeed" in p]
    uploads = [match["path"] for match in matches if "prefix" not in match]
    assert uploads and all(path.startswith(tuple(prefixes)) for path in uploads)
    assert {r["route"]["cluster"] for r in routes(manager)} == set(AREAS)


def test_rest_paths_themselves_lead_nowhere(manager: dict[str, Any]) -> None:
    """Their routes only settle how streams are written: their cluster is named by a header no client can send."""
    nowhere = [route for route in host(manager)["routes"] if "cluster" not in route["route"]]
    *_, unnamed, events, lines = nowhere
    assert unnamed["typed_per_filter_config"]["envoy.filters.http.grpc_json_transcoder"]["services"] == []
    assert events["match"]["prefix"] == lines["match"]["prefix"] == "/v1/"
    assert events["match"]["headers"][0]["name"] == "accept"
    assert all(route["route"]["cluster_header"].startswith("x-ashgrove-internal-") for route in nowhere)
    special = events["typed_per_filter_config"]["envoy.filters.http.grpc_json_transcoder"]
    usual = filters(manager)["grpc_json_transcoder"]
    assert special["print_options"].pop("stream_sse_style_delimited") is True
    assert usual["print_options"].pop("stream_sse_style_delimited") is False
    assert special == usual, "all else is the same"


def test_only_what_never_arrived_is_sent_again(manager: dict[str, Any]) -> None:
    """A call that a service may have begun is never repeated."""
    assert {r["route"]["retry_policy"]["retry_on"] for r in routes(manager)} == {"connect-failure,refused-stream"}


def test_streams_have_no_time_limit(manager: dict[str, Any]) -> None:
    """A watch may be silent and may last; only the caller's own deadline ends it."""
    assert all(r["route"]["timeout"] == r["route"]["idle_timeout"] == "0s" for r in routes(manager))
    assert manager["stream_idle_timeout"] == manager["request_timeout"] == "0s"


def test_forged_headers_are_removed_before_any_filter(manager: dict[str, Any]) -> None:
    """Identity headers and Envoy's own come from Envoy or not at all; the organization may be chosen."""
    mutations = manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"]
    removed = {m.get("remove") or m["remove_on_match"]["key_matcher"]["prefix"] for m in mutations}
    assert {"x-ashgrove-identity", "x-ashgrove-actor", "x-ashgrove-internal-", "x-envoy-"} <= removed
    assert "x-ashgrove-organization" not in removed
    assert "x-ashgrove-" not in removed


def test_authorization_fails_closed(manager: dict[str, Any]) -> None:
    """Without ext_authz nobody gets in."""
    assert filters(manager)["ext_authz"]["failure_mode_allow"] is False


def test_no_origin_is_allowed_by_default(manager: dict[str, Any]) -> None:
    """No route and no host carries a CORS policy."""
    assert "cors" not in str(manager["route_config"])


def test_allowed_origins_may_send_no_cookies() -> None:
    """Each origin is matched whole, `*` is any, and credentials are never allowed."""
    policies = []
    for origins in (("https://a.example.org", "https://b.example.org"), ("*",)):
        listener = yaml.safe_load(render(GatewaySettings(8080, 8081, AREAS, 6, Path("/log"), origins)))
        chain = listener["static_resources"]["listeners"][0]["filter_chains"][0]
        manager = chain["filters"][0]["typed_config"]
        policies.append(host(manager)["typed_per_filter_config"]["envoy.filters.http.cors"])
    listed, anybody = policies
    matchers = [{"exact": "https://a.example.org"}, {"exact": "https://b.example.org"}]
    assert listed["allow_origin_string_match"] == matchers
    assert anybody["allow_origin_string_match"] == [{"safe_regex": {"regex": ".*"}}]
    assert not any("allow_credentials" in policy for policy in policies)


def test_any_path_is_quoted(manager: dict[str, Any]) -> None:
    """A folder with a colon or a hash in its name is a path like any other."""
    assert manager["access_log"][0]["typed_config"]["path"] == "/logs: here #1/access.log"
