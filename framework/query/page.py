"""Page tokens: a keyset position, sealed, and bound to the list, its filter, its order, its tenant and its caller."""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from framework.errors import InvalidPageToken

_NONCE = 12
_KINDS: dict[str, Callable[[str], Any]] = {"t": datetime.fromisoformat, "u": UUID, "n": Decimal}


class Seal:
    """Seals and opens page tokens with AES-GCM; what they are bound to is authenticated, never stored in them."""

    def __init__(self, key: bytes) -> None:
        """Takes a key of 32 bytes."""
        self._cipher = AESGCM(key)

    def seal(self, position: Sequence[Any], binding: str) -> str:
        """Returns a token for a position."""
        nonce = os.urandom(_NONCE)
        plain = json.dumps([_plain(v) for v in position], ensure_ascii=False).encode()
        return base64.urlsafe_b64encode(nonce + self._cipher.encrypt(nonce, plain, binding.encode())).decode()

    def open(self, token: str, binding: str, field: str = "page_token") -> list[Any]:
        """Returns a token's position; raises InvalidPageToken, with its field, for any not made for this very list."""
        try:
            data = base64.urlsafe_b64decode(token.encode())
            if base64.urlsafe_b64encode(data).decode() != token:  # decoding forgives the last bits
                raise InvalidPageToken(field)
            plain = self._cipher.decrypt(data[:_NONCE], data[_NONCE:], binding.encode())
        except (ValueError, InvalidTag) as error:
            raise InvalidPageToken(field) from error
        return [_value(v) for v in json.loads(plain)]


def bound_to(*facts: Any) -> str:
    """Returns what a token is bound to: a digest of all that makes its list the list that it is."""
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, Decimal):
        return {"n": str(value)}
    return {"u": str(value)} if isinstance(value, UUID) else value


def _value(plain: Any) -> Any:
    if isinstance(plain, dict):
        (kind, text), *_ = plain.items()
        return _KINDS[kind](text)
    return plain
