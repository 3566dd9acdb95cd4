"""The files of secrets: made once, readable by their owner only, never overwritten."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

SERVICES = ("program", "variables", "optimizer", "auth", "audit")
PEPPER = "pepper"
PAGE_TOKEN_KEY = "page-token.key"
SIGNING_KEY = "signing.pem"
AUDIT_SIGNING_KEY = "audit-signing.pem"


def make_missing(folder: Path) -> list[str]:
    """Makes every secret file that is missing, in a folder of mode 0700; returns the names of those it made."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    makers: dict[str, Callable[[], bytes]] = {PEPPER: _random, PAGE_TOKEN_KEY: _random, SIGNING_KEY: new_signing_key}
    makers[AUDIT_SIGNING_KEY] = new_signing_key
    makers |= {f"{service}.secret": _random for service in SERVICES}
    return [name for name, make in makers.items() if write_once(folder / name, make)]


def write_once(path: Path, make: Callable[[], bytes]) -> bool:
    """Writes a file of mode 0600 unless there is one, whole or not at all; tells whether it wrote."""
    if path.exists():
        return False
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
        os.link(temporary, path)  # fails when another process was first: its secret stands
    except FileExistsError:
        return False
    finally:
        Path(temporary).unlink()
    return True


def read_secret(path: Path) -> bytes:
    """Returns a secret file's content without surrounding white space; raises FileNotFoundError with the remedy."""
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `python -m services.auth bootstrap`")
    return path.read_bytes().strip()


def _random() -> bytes:
    return secrets.token_hex(32).encode()


def new_signing_key() -> bytes:
    """Returns a new Ed25519 private key as PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
