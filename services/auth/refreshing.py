"""Refresh tokens: what they look like, and how one is told from a forgery without being kept.

A token is `ashgrove_refresh_<session>_<generation>_<proof>`: the proof is the HMAC-SHA256 of all before it under the
pepper. So the token of any generation can be made again and recognised, and a copy of the database holds none.
"""

import base64
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

BRAND = "ashgrove_refresh"
_SHAPE = re.compile(rf"({BRAND}_([0-9a-f]{{32}})_([0-9]{{1,18}}))_([A-Za-z0-9_-]{{43}})", re.ASCII)


@dataclass(frozen=True)
class RefreshToken:
    """Which session a token belongs to, and which of its chain it is, from 1."""

    session_id: UUID
    generation: int

    def text(self, pepper: bytes) -> str:
        """Returns the token as its holder knows it."""
        body = f"{BRAND}_{self.session_id.hex}_{self.generation}"
        return f"{body}_{_proof(body, pepper)}"


def read(text: str, pepper: bytes) -> RefreshToken | None:
    """Returns what a token says that we made, None for any other text; every text costs one HMAC."""
    found = _SHAPE.fullmatch(text)
    body, session, generation, proof = found.groups() if found else ("", "", "", "")
    genuine = hmac.compare_digest(_proof(body, pepper), proof)
    return RefreshToken(UUID(session), int(generation)) if found and genuine else None


def _proof(body: str, pepper: bytes) -> str:
    return base64.urlsafe_b64encode(hmac.digest(pepper, body.encode(), "sha256")).rstrip(b"=").decode()
