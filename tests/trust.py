"""An authority of the tests' own, its certificates in files, and the settings of whoever holds one."""

from collections.abc import Sequence
from pathlib import Path

from deploy.local.certificates import LOCAL, Authority, Pair
from framework.settings import TlsSettings
from gateway.envoy import tls as gateway_tls


class Trust:
    """Everything that one authority vouches for, in a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.authority = Authority()
        self.file = folder / "ca.pem"
        self.file.write_bytes(self.authority.pem)

    def pair(self, name: str, hosts: Sequence[str] = LOCAL, days: float = 1) -> gateway_tls.Pair:
        """Issues a certificate, or the next one of that name in the same files, and returns the files."""
        return self.keep(name, self.authority.issue(name, hosts, days))

    def keep(self, name: str, pair: Pair) -> gateway_tls.Pair:
        """Writes a pair into the files of a name."""
        files = gateway_tls.Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        files.certificate.write_bytes(pair.certificate)
        files.key.touch(mode=0o600)
        files.key.write_bytes(pair.key)
        return files

    def settings(self, name: str, hosts: Sequence[str] = LOCAL, days: float = 1, *, mutual: bool = True) -> TlsSettings:
        """Issues a certificate and returns the settings of its holder."""
        files = self.pair(name, hosts, days)
        return TlsSettings(
            tls_certificate=files.certificate, tls_key=files.key, tls_authority=self.file, tls_mutual=mutual
        )
