"""Tokens: short-lived statements of who acts, signed with Ed25519 (JWT, EdDSA).

Access tokens (audience `gateway`) are for clients, identity tokens (audience `internal`) for services; neither side
accepts the other's. Times are this host's clock; readers allow five seconds of difference.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import jwt

from framework.call import Actor
from services.auth.keyring import Keyring, in_folder

ISSUER = "ashgrove"
GATEWAY = "gateway"
INTERNAL = "internal"
ALLOWED_CLOCK_DIFFERENCE = 5


@dataclass(frozen=True)
class Token:
    """A signed token and when it ends, in Unix seconds."""

    text: str
    expires_at: int


@dataclass(frozen=True)
class AccessClaims:
    """What an access token states: its user, credential and session, and its end in Unix seconds."""

    user_id: UUID
    organization_id: UUID
    api_key_id: UUID
    expires_at: float = 0.0
    session_id: UUID | None = None


class Tokens:
    """Signs tokens with the keyring's key and verifies the access tokens that any of its keys signed."""

    def __init__(self, keys: Keyring, *, access_seconds: int, identity_seconds: int) -> None:
        self._keys = keys
        self._access_seconds = access_seconds
        self._identity_seconds = identity_seconds

    def issue_identity(self, actor: Actor, *, until: float | None = None) -> Token:
        """Returns an identity token for an actor; it ends no later than `until` (Unix seconds)."""
        claims: dict[str, Any] = {
            "sub": actor.id,
            "kind": actor.kind.value,
            "org": str(actor.organization_id) if actor.organization_id else "",
            "role": actor.role.value if actor.role else "",
            "cred": actor.credential_id,
            "act": actor.delegate,
            "op": actor.operator,
            "label": actor.label,
        }
        if actor.actions is not None:
            claims["actions"] = sorted(actor.actions)
        if actor.guest:
            claims["guest"] = True
        if actor.ends_at != math.inf:
            claims["ends"] = actor.ends_at
        return self._sign(INTERNAL, claims, self._identity_seconds, until)

    def issue_access(self, claims: AccessClaims, *, until: float | None = None) -> Token:
        """Returns an access token for a user; it ends no later than `until` (Unix seconds)."""
        facts = {"sub": str(claims.user_id), "org": str(claims.organization_id), "cred": str(claims.api_key_id)}
        if claims.session_id is not None:
            facts["sid"] = str(claims.session_id)
        return self._sign(GATEWAY, facts, self._access_seconds, until)

    def verify_access(self, text: str) -> AccessClaims | None:
        """Returns what a valid access token states, None for any other text."""
        try:
            public = self._keys.public(str(jwt.get_unverified_header(text).get("kid", "")))
            if public is None:
                return None
            claims = jwt.decode(
                text,
                public,
                algorithms=["EdDSA"],
                issuer=ISSUER,
                audience=GATEWAY,
                leeway=ALLOWED_CLOCK_DIFFERENCE,
                options={"require": ["exp", "iat", "sub", "org", "cred"]},
            )
            session = UUID(claims["sid"]) if "sid" in claims else None
            user, organization, key = (UUID(claims[name]) for name in ("sub", "org", "cred"))
            return AccessClaims(user, organization, key, claims["exp"], session)
        except (jwt.InvalidTokenError, ValueError, AttributeError):
            return None

    @property
    def kid(self) -> str:
        """The name of the key that signs now."""
        return self._keys.signing.kid

    def jwks(self) -> list[dict[str, str]]:
        """Returns the public keys as JSON Web Keys (RFC 7517, RFC 8037)."""
        return self._keys.jwks()

    def _sign(self, audience: str, claims: dict[str, Any], seconds: int, until: float | None) -> Token:
        now = int(time.time())
        expires = now + seconds if until is None else min(now + seconds, int(until))
        standard = {"iss": ISSUER, "aud": audience, "iat": now, "exp": expires}
        key = self._keys.signing
        text = jwt.encode(claims | standard, key.private, algorithm="EdDSA", headers={"kid": key.kid})
        return Token(text, expires)


def read_tokens(folder: Path, *, access_seconds: int, identity_seconds: int) -> Tokens:
    """Returns the tokens signed with the keys in the secrets folder; raises FileNotFoundError if there are none."""
    return Tokens(in_folder(folder), access_seconds=access_seconds, identity_seconds=identity_seconds)
