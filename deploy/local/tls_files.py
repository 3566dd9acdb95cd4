"""The certificates of a home: who has which, and what each process is told about them."""

import grpc

from deploy.local.certificates import write
from deploy.local.settings import StackSettings
from gateway.envoy.tls import Calling, Listening, Pair

# The gateway calls and listens; `client` is for whoever looks from outside: probes, and clients where they need one.
NAMES = ("auth", "authz", "program", "variables", "optimizer", "audit", "gateway", "client")


class TlsFiles:
    """A folder with `ca.pem`, and for each name `NAME.pem` and `NAME.key`."""

    def __init__(self, settings: StackSettings) -> None:
        self._settings = settings
        self.folder = settings.home / "tls"
        self.authority = self.folder / "ca.pem"

    def make(self) -> list[str]:
        """Makes a new authority and all certificates, for 30 days; returns the names of the files."""
        return write(self.folder, NAMES)

    def make_missing(self) -> None:
        """Makes all unless there are some."""
        if not self.authority.exists():
            self.make()

    def environment(self, name: str) -> dict[str, str]:
        """Returns what the process of a name is told."""
        pair = self._pair(name)
        return {
            "ASHGROVE_TLS_CERTIFICATE": str(pair.certificate),
            "ASHGROVE_TLS_KEY": str(pair.key),
            "ASHGROVE_TLS_AUTHORITY": str(self.authority),
        }

    def listening(self) -> Listening:
        """Returns what the gateway shows to clients: the operator's own certificate where the settings name one."""
        certificate, key = self._settings.gateway_certificate, self._settings.gateway_key
        pair = Pair(certificate, key) if certificate and key else self._pair("gateway")
        return Listening(pair, self._settings.gateway_clients)

    def calling(self) -> Calling:
        """Returns what the gateway shows to the services."""
        return Calling(self._pair("gateway"), self.authority)

    def channel(self, address: str, service: str) -> grpc.Channel:
        """Returns a channel to a process that must be the service."""
        pair = self._pair("client")
        credentials = grpc.ssl_channel_credentials(
            self.authority.read_bytes(), pair.key.read_bytes(), pair.certificate.read_bytes()
        )
        return grpc.secure_channel(address, credentials, options=[("grpc.ssl_target_name_override", service)])

    def _pair(self, name: str) -> Pair:
        return Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
