"""What the auth service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import AuthArea

from framework.resource import Registry
from services.auth.resources import RESOURCES


def registry() -> Registry:
    """Returns the verified declarations of the auth service."""
    return Registry("auth", RESOURCES, *AuthArea.services())
