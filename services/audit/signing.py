"""What signs checkpoints: a key that no database holds."""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

KEY_FILE = "audit-signing.pem"


class Signer:
    """Signs statements about chains, and knows its own signatures."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public_key = _text(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, organization_id: object, sequence: int, head_hash: str) -> str:
        """Returns the signature of a statement."""
        return _text(self._private.sign(_statement(organization_id, sequence, head_hash)))


def holds(checkpoint: Mapping[str, Any]) -> bool:
    """Says whether a checkpoint's signature is its public key's over what it states."""
    stated = _statement(checkpoint["organization_id"], checkpoint["sequence"], checkpoint["head_hash"])
    try:
        public = Ed25519PublicKey.from_public_bytes(_bytes(checkpoint["public_key"]))
        public.verify(_bytes(checkpoint["signature"]), stated)
    except (InvalidSignature, ValueError):
        return False
    return True


def signer_from(folder: Path) -> Signer:
    """Returns the signer of the secrets folder; raises FileNotFoundError with the remedy when there is none."""
    path = folder / KEY_FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run `python -m services.auth bootstrap`")
    private = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"{KEY_FILE} holds no Ed25519 key")
    return Signer(private)


def _statement(organization_id: object, sequence: int, head_hash: str) -> bytes:
    stated: dict[str, Any] = {"organization_id": str(organization_id), "sequence": sequence, "head_hash": head_hash}
    return rfc8785.dumps(stated)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
