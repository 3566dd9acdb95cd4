"""What the auth service holds besides its database: the signing key and the pepper."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field

from framework.settings import ServiceSettings
from services.auth.limits import Rate, Rates
from services.auth.secrets import PEPPER, SERVICES, read_secret
from services.auth.sign_ins import SignIns
from services.auth.tokens import Tokens, read_tokens

LONGEST_ACCESS_SECONDS = 86_400
"""How long an access token may live: the gate remembers for longer which sessions have ended, and no longer."""


class AuthSettings(ServiceSettings):
    """What every service needs to know, and how long tokens live."""

    access_token_seconds: int = Field(
        900, ge=1, le=LONGEST_ACCESS_SECONDS, description="How long an access token lives, a day at most."
    )
    session_seconds: int = Field(30 * 86_400, ge=1, description="How long refresh tokens keep a session going.")
    identity_token_seconds: int = Field(60, ge=1, le=60, description="How long an identity token lives.")
    key_rate: float = Field(2_000, gt=0, description="Calls a second that one API key may make.")
    key_burst: int = Field(10_000, gt=0, description="Calls that one API key may make at once.")
    organization_rate: float = Field(5_000, gt=0, description="Calls a second that one organization may make.")
    organization_burst: int = Field(20_000, gt=0, description="Calls that one organization may make at once.")
    anonymous_rate: float = Field(100, gt=0, description="Calls a second from an address without a valid credential.")
    anonymous_burst: int = Field(1_000, gt=0, description="Such calls that may come at once.")
    home: Path = Field(Path(".run"), description="The folder where `bootstrap` leaves the first administrator's key.")

    @property
    def rates(self) -> Rates:
        """How fast each kind of caller may call; a user with many keys has one key's pace."""
        key = Rate(self.key_rate, self.key_burst)
        organization = Rate(self.organization_rate, self.organization_burst)
        return Rates(key, key, organization, Rate(self.anonymous_rate, self.anonymous_burst))


@dataclass(frozen=True)
class AuthApplication:
    """The auth service's own things, as its actions see them."""

    tokens: Tokens
    pepper: bytes = field(repr=False)
    session_seconds: int = 30 * 86_400
    sign_ins: SignIns = field(default_factory=SignIns)


def application_of(settings: AuthSettings) -> AuthApplication:
    """Reads the secrets; raises FileNotFoundError with the remedy when one is missing."""
    tokens = read_tokens(
        settings.secrets,
        access_seconds=settings.access_token_seconds,
        identity_seconds=settings.identity_token_seconds,
    )
    return AuthApplication(tokens, read_secret(settings.secrets / PEPPER), settings.session_seconds)


def service_secrets(folder: Path) -> dict[str, bytes]:
    """Returns each service's own secret by the service's name."""
    return {service: read_secret(folder / f"{service}.secret") for service in SERVICES}
