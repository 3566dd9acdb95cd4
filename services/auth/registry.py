"""What the auth service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import AuthArea

from framework.resource import Registry
from services.auth import (
    accepting,
    belongings,
    breaking_glass,
    password_sign_in,
    rotating,
    signing_in,
    suspending,
)
from services.auth.resources import RESOURCES

ACTIONS = [accepting, belongings, breaking_glass, password_sign_in, rotating, signing_in, suspending]


def registry() -> Registry:
    """Returns the verified declarations of the auth service."""
    return Registry("auth", RESOURCES, *AuthArea.services(), actions=ACTIONS)
