"""What the variables service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import VariablesArea

from framework.resource import Registry
from services.variables.resources import RESOURCES


def registry() -> Registry:
    """Returns the verified declarations of the variables service."""
    return Registry("variables", RESOURCES, *VariablesArea.services())
