"""TLS at the gateway: what its listener shows to clients, and what it shows to the services and accepts from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TYPES = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"
_SOCKET = "envoy.transport_sockets.tls"
_LEAST = {"tls_minimum_protocol_version": "TLSv1_2"}


@dataclass(frozen=True)
class Pair:
    """Files of a certificate, its own first in the chain, and of its private key, both PEM."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Listening:
    """What clients are shown, and the authority of the certificates that they must show, if they must show one."""

    pair: Pair
    clients: Path | None = None


@dataclass(frozen=True)
class Calling:
    """What services are shown, and the authority that vouches for theirs; each must bear its service's name."""

    pair: Pair
    authority: Path


def downstream(listening: Listening) -> dict[str, Any]:
    """Returns the listener's transport socket."""
    common = _common(listening.pair, ["h2", "http/1.1"])
    if listening.clients:
        common["validation_context"] = {"trusted_ca": _file(listening.clients)}
    context = {"common_tls_context": common, "require_client_certificate": listening.clients is not None}
    return {"name": _SOCKET, "typed_config": {"@type": f"{_TYPES}.DownstreamTlsContext", **context}}


def upstream(calling: Calling, service: str) -> dict[str, Any]:
    """Returns the transport socket of a cluster: whoever answers must be the service, wherever it runs."""
    name = {"san_type": "DNS", "matcher": {"exact": service}}
    common = _common(calling.pair, ["h2"])
    common["validation_context"] = {
        "trusted_ca": _file(calling.authority),
        "match_typed_subject_alt_names": [name],
    }
    context = {"common_tls_context": common, "sni": service}
    return {"name": _SOCKET, "typed_config": {"@type": f"{_TYPES}.UpstreamTlsContext", **context}}


def _common(pair: Pair, protocols: list[str]) -> dict[str, Any]:
    return {
        "tls_params": _LEAST,
        "alpn_protocols": protocols,
        "tls_certificates": [{"certificate_chain": _file(pair.certificate), "private_key": _file(pair.key)}],
    }


def _file(path: Path) -> dict[str, str]:
    return {"filename": str(path)}
