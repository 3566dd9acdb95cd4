"""What the audit service signs: how long a chain was, and which payloads its retention let go."""

import base64
from collections.abc import Mapping
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_CHECKPOINT = ("sequence", "head_hash")
_TOMBSTONE = ("through_sequence", "through_hash", "payloads_before")
TOMBSTONE = "audit_entry.payloads_dropped"
"""The type of the entry that tells what retention let go."""


def checkpoint_statement(checkpoint: Mapping[str, Any]) -> bytes:
    """Returns what a checkpoint's signature is over."""
    return _statement(checkpoint, _CHECKPOINT)


def tombstone_statement(tombstone: Mapping[str, Any]) -> bytes:
    """Returns what a tombstone's signature is over."""
    return _statement(tombstone, _TOMBSTONE)


def is_signed(signed: Mapping[str, Any], statement: bytes) -> bool:
    """Says whether a signature is its public key's over a statement."""
    try:
        public = Ed25519PublicKey.from_public_bytes(from_text(signed["public_key"]))
        public.verify(from_text(signed["signature"]), statement)
    except (InvalidSignature, ValueError):
        return False
    return True


def to_text(data: bytes) -> str:
    """Returns bytes in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_text(text: str) -> bytes:
    """Returns the bytes of base64url without padding; raises ValueError for anything else."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _statement(told: Mapping[str, Any], names: tuple[str, ...]) -> bytes:
    stated: dict[str, Any] = {name: told[name] for name in names}
    numbers = {name: int(value) for name, value in stated.items() if name.endswith("sequence")}
    return rfc8785.dumps({**stated, **numbers, "organization_id": str(told["chain"])})
