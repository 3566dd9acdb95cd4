"""TLS between the processes: what a listener shows and asks for, and what a channel shows and accepts."""

import logging
import ssl
from pathlib import Path
from typing import Any

import grpc

from framework.settings import TlsSettings

_log = logging.getLogger("ashgrove.tls")


def channel_credentials(tls: TlsSettings) -> grpc.ChannelCredentials:
    """Returns what a channel shows and accepts; the files are read now, and again when the process starts again."""
    certificate, key, authority = _read(tls)
    return grpc.ssl_channel_credentials(authority, key, certificate)


def server_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Returns what a listener shows and asks for; files that change are taken up with the next connection.

    Raises ssl.SSLError when key and certificate do not belong together.
    """
    files = _Files(tls)
    changed: Any = files.changed  # its stubs do not know that None is an answer
    return grpc.dynamic_ssl_server_credentials(files.first(), changed, tls.tls_mutual)


class _Files:
    """The files of a listener, and when they were last seen to change."""

    def __init__(self, tls: TlsSettings) -> None:
        self._tls = tls
        self._seen: list[int] = []

    def first(self) -> grpc.ServerCertificateConfiguration:
        """Returns what the files hold at the start."""
        self._seen = self._times()
        return _configuration(self._tls)

    def changed(self) -> grpc.ServerCertificateConfiguration | None:
        """Returns what changed files hold, None to go on as before; gRPC asks with each connection, in a thread."""
        try:
            times = self._times()
            if times == self._seen:
                return None
            self._seen = times
            return _configuration(self._tls)
        except (OSError, ssl.SSLError) as error:
            # Between the writing of two files they do not fit; the times change once more when they do.
            _log.warning("the certificate stays as it was: %s", error)
            return None

    def _times(self) -> list[int]:
        return [path.stat().st_mtime_ns for path in _paths(self._tls)]


def _paths(tls: TlsSettings) -> tuple[Path, Path, Path]:
    assert tls.tls_certificate and tls.tls_key and tls.tls_authority, "asked only where TLS is set"
    return tls.tls_certificate, tls.tls_key, tls.tls_authority


def _read(tls: TlsSettings) -> tuple[bytes, bytes, bytes]:
    certificate, key, authority = _paths(tls)
    return certificate.read_bytes(), key.read_bytes(), authority.read_bytes()


def _configuration(tls: TlsSettings) -> grpc.ServerCertificateConfiguration:
    certificate, key, authority = _paths(tls)
    tried = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tried.load_cert_chain(certificate, key)
    tried.load_verify_locations(authority)
    chain, private, roots = _read(tls)
    return grpc.ssl_server_certificate_configuration([(private, chain)], roots if tls.tls_mutual else None)
