"""The gatekeeper's decision: a credential goes in, an identity token or a refusal comes out, from memory alone."""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from services.auth import keys
from services.auth.credentials import Credential, Credentials
from services.auth.tokens import Token, Tokens

_AUTH = "/ashgrove.auth.v1.AuthService/"
_SIGNING_IN = ("Authenticate", "SignIn", "AcceptInvitation", "ChangePassword", "RefreshAccessToken", "EndSession")
PUBLIC = frozenset(_AUTH + rpc for rpc in (*_SIGNING_IN, "GetJwks"))
# Services speak these among themselves; through the gateway they do not exist.
INTERNAL = (
    "/ashgrove.auth.v1.AuthInternalService/",
    "/ashgrove.event.v1.EventFeedService/",
    "/ashgrove.program.v1.ProgramInternalService/",
)
_CACHED = 50_000  # entries of some 700 bytes


@dataclass(frozen=True)
class Admission:
    """A call that may pass: with an identity token, or without one where none is needed."""

    identity_token: str = ""
    credential: Credential | None = None


@dataclass(frozen=True)
class _Remembered:
    token: Token
    credential: Credential
    until: float
    kid: str


class Gatekeeper:
    """Decides about calls; remembers each credential's identity token for half its life."""

    def __init__(
        self,
        credentials: Credentials,
        tokens: Tokens,
        pepper: bytes,
        note: Callable[[Credential], None] = lambda _: None,
    ) -> None:
        """Takes what to tell of every credential that let a call in."""
        self._note = note
        self._credentials = credentials
        self._tokens = tokens
        self._pepper = pepper
        self._remembered: dict[bytes, _Remembered] = {}

    def admit(self, path: str, authorization: str, organization: str, address: str = "") -> Admission | None:
        """Returns how a call to an RPC from an IP address may pass, None when it may not.

        `authorization` and `organization` are the header values, empty when absent.
        """
        if path in PUBLIC:
            return Admission()
        if path.startswith(INTERNAL):
            return None
        remembered = self._recall(_bearer(authorization), organization)
        if remembered is None or not _same_organization(organization, remembered.credential.organization_id):
            return None
        if not remembered.credential.admits(address):
            return None
        self._note(remembered.credential)
        return Admission(remembered.token.text, remembered.credential)

    def may_be_new(self, authorization: str) -> bool:
        """Tells whether a refused credential was certainly made by us, so that memory may only be behind.

        Revoked, expired and foreign ones of good form count alike: the answer tells nobody anything.
        """
        secret = _bearer(authorization)
        return keys.is_well_formed(secret) or self._tokens.verify_access(secret) is not None

    def forget(self) -> None:
        """Drops every remembered token: the next call of each credential is decided anew."""
        self._remembered.clear()

    def _recall(self, secret: str, organization: str) -> _Remembered | None:
        told = f"{secret} {organization}".encode("utf-8", "surrogatepass")
        name = hashlib.sha256(told).digest()  # memory holds no credential
        known = self._remembered.get(name)
        now = time.time()
        # What a key signed that signs no more may hold no more.
        if known and now < known.until and known.credential.holds(now) and known.kid == self._tokens.kid:
            return known
        credential, ends = self._credential(secret, organization)
        if credential is None:
            return None
        if len(self._remembered) >= _CACHED:
            self._remembered.clear()
        fresh = self._remembered[name] = self._issue(credential, now, ends)
        return fresh

    def _credential(self, secret: str, organization: str = "") -> tuple[Credential | None, float]:
        if secret.count(".") == 2:  # a JWT; no API key contains a point
            claims = self._tokens.verify_access(secret)
            if claims is None:
                return None, 0.0
            return self._credentials.by_access_claims(claims, _organization(organization)), claims.expires_at
        return self._credentials.by_key_digest(keys.digest(secret, self._pepper)), math.inf

    def _issue(self, credential: Credential, now: float, ends: float) -> _Remembered:
        token = self._tokens.issue_identity(credential.actor(), until=credential.expires_at)
        return _Remembered(token, credential, min(now + (token.expires_at - now) / 2, ends), self._tokens.kid)


def _bearer(authorization: str) -> str:
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _same_organization(header: str, organization_id: UUID) -> bool:
    return not header or _organization(header) == organization_id


def _organization(header: str) -> UUID | None:
    try:
        return UUID(header) if header else None
    except ValueError:
        return None
