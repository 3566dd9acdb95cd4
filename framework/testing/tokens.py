"""Identity tokens for tests: any actor at all, signed by a key of the test's own."""

import base64
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from framework.call import Actor, ActorKind
from framework.rpc.identity import AUDIENCE, ISSUER

_KID = "the-key-of-the-tests"
_LASTS_SECONDS = 600


class Issuer:
    """Stands where auth stands: issues identity tokens and publishes the key that verifies them."""

    def __init__(self) -> None:
        self._private = Ed25519PrivateKey.generate()

    async def keys(self) -> Sequence[Mapping[str, Any]]:
        """Returns the public key as a set of one, as auth's `GetJwks` does."""
        raw = self._private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": _KID, "x": x}]

    def token(self, actor: Actor, seconds: int = _LASTS_SECONDS) -> str:
        """Returns a token that names an actor; empty for nobody, a past one where `seconds` is negative."""
        if actor.kind is ActorKind.ANONYMOUS:
            return ""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + seconds,
            "sub": actor.id,
            "kind": actor.kind.value,
            "org": str(actor.organization_id or ""),
            "role": actor.role.value if actor.role else "",
            "cred": actor.credential_id,
            "act": actor.delegate,
            "op": actor.operator,
            "guest": actor.guest,
            "actions": None if actor.actions is None else sorted(actor.actions),
        }
        return jwt.encode(claims, self._private, algorithm="EdDSA", headers={"kid": _KID})
