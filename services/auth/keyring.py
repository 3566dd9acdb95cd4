"""The keys that tokens are signed with: one signs, retired ones still verify until their last token has ended.

`signing.pem` signs; `retired-<kid>.pem` verify. Processes notice a rotation by themselves, within a second.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from services.auth.secrets import SIGNING_KEY, new_signing_key, read_secret, write_once

_RETIRED = "retired-{kid}.pem"
_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class SigningKey:
    """One key pair and the name by which tokens refer to it."""

    private: Ed25519PrivateKey

    @property
    def raw(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @cached_property
    def kid(self) -> str:
        """The key's name: the first 16 hexadecimal digits of its public key's SHA-256."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def jwk(self) -> dict[str, str]:
        """Returns the public key as a JSON Web Key (RFC 7517, RFC 8037)."""
        x = base64.urlsafe_b64encode(self.raw).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x}


@dataclass(frozen=True)
class _Held:
    signing: str
    keys: Mapping[str, SigningKey]
    public: Mapping[str, Ed25519PublicKey]


class Keyring:
    """The keys as they stand; looks again when what it reads them from has changed."""

    def __init__(self, read: Callable[[], tuple[SigningKey, ...]], changed: Callable[[], object]) -> None:
        """Takes what reads the keys, the signing one first, and what tells that they may have changed."""
        self._read = read
        self._changed = changed
        self._seen = changed()
        self._looked = time.monotonic()
        self._held = _held(read())

    @property
    def signing(self) -> SigningKey:
        """The key that signs now."""
        held = self._current()
        return held.keys[held.signing]

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """Returns the public key of a name, None for one that holds no more."""
        return self._current().public.get(kid)

    def jwks(self) -> list[dict[str, str]]:
        """Returns every public key that a token may still refer to, the signing one first."""
        return [key.jwk() for key in self._current().keys.values()]

    def _current(self) -> _Held:
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            self._looked = time.monotonic()
            if (seen := self._changed()) != self._seen:
                self._seen, self._held = seen, _held(self._read())
        return self._held


def _held(keys: tuple[SigningKey, ...]) -> _Held:
    named = {key.kid: key for key in keys}
    public = {kid: key.private.public_key() for kid, key in named.items()}
    return _Held(keys[0].kid, MappingProxyType(named), MappingProxyType(public))


def single(private: Ed25519PrivateKey) -> Keyring:
    """Returns a keyring of one key that never changes."""
    return Keyring(lambda: (SigningKey(private),), lambda: None)


def in_folder(folder: Path) -> Keyring:
    """Returns the keyring of the secrets folder; raises FileNotFoundError when it has no signing key."""
    return Keyring(lambda: _read_all(folder), lambda: _stamp(folder))


def _read_all(folder: Path) -> tuple[SigningKey, ...]:
    retired = sorted(folder.glob(_RETIRED.format(kid="*")))
    return (_read(folder / SIGNING_KEY), *(_read(path) for path in retired))


def _stamp(folder: Path) -> object:
    names = [SIGNING_KEY, *sorted(p.name for p in folder.glob(_RETIRED.format(kid="*")))]
    return [(name, (folder / name).stat().st_mtime_ns) for name in names if (folder / name).exists()]


def _read(path: Path) -> SigningKey:
    private = load_pem_private_key(read_secret(path), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise TypeError(f"{path.name} holds no Ed25519 key")
    return SigningKey(private)


def rotate(folder: Path, keep_seconds: float) -> str:
    """Makes a new signing key, retires the current one, and removes those retired longer ago; returns the new kid.

    With 0 seconds nothing that an older key signed holds any more: for a key that somebody else may have.
    """
    current = folder / SIGNING_KEY
    old = _read(current)
    if keep_seconds:
        write_once(folder / _RETIRED.format(kid=old.kid), current.read_bytes)
    fresh = folder / f".{SIGNING_KEY}.new"
    fresh.unlink(missing_ok=True)
    write_once(fresh, new_signing_key)
    fresh.replace(current)
    for path in folder.glob(_RETIRED.format(kid="*")):
        if time.time() - path.stat().st_mtime >= keep_seconds:
            path.unlink()
    return _read(current).kid
