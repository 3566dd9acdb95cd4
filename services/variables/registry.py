"""What the variables service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import VariablesArea

from framework.resource import Registry
from services.variables import (
    configuration_uses,
    exchanging,
    generating,
    space_comparisons,
    space_edits,
    validating,
)
from services.variables.resources import RESOURCES

ACTIONS = [configuration_uses, exchanging, generating, space_comparisons, space_edits, validating]


def registry() -> Registry:
    """Returns the verified declarations of the variables service."""
    return Registry("variables", RESOURCES, *VariablesArea.services(), actions=ACTIONS)
