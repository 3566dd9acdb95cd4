"""Certificates for development: an authority of one's own, and a pair of files for each process it vouches for."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 30
LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """An authority that lives as long as this object; its key is written nowhere."""

    def __init__(self, name: str = "Ashgrove development") -> None:
        self._key = generate_private_key(SECP256R1())
        self._certificate = _authority(name, self._key)
        self.pem = self._certificate.public_bytes(Encoding.PEM)
        """The certificate that others trust."""

    def issue(self, name: str, hosts: Sequence[str] = LOCAL, days: float = DAYS) -> Pair:
        """Returns a pair for a process of that name, good for serving as any of the hosts and for calling."""
        key = generate_private_key(SECP256R1())
        names = [_general(host) for host in (name, *hosts)]
        issued = (
            _builder(name, self._certificate.subject, key, days)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        return Pair(issued.public_bytes(Encoding.PEM), _private(key))


def write(folder: Path, names: Sequence[str], hosts: Sequence[str] = LOCAL) -> list[str]:
    """Makes a new authority and a pair for each name in a folder of mode 0700; returns the names of the files."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = Authority()
    files = {"ca.pem": authority.pem}
    for name in names:
        pair = authority.issue(name, hosts)
        files |= {f"{name}.pem": pair.certificate, f"{name}.key": pair.key}
    for name, content in files.items():
        _write(folder / name, content)
    return list(files)


def _write(path: Path, content: bytes) -> None:
    # Beside and then in place, so that whoever reads meets the old file or the new one.
    partial = path.with_name(f".{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.rename(path)


def _authority(name: str, key: EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    return (
        _builder(name, subject, key, DAYS * 12)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def _builder(name: str, issuer: x509.Name, key: EllipticCurvePrivateKey, days: float) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
