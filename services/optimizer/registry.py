"""What the optimizer service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import OptimizerArea

from framework.resource import Registry
from services.optimizer import (
    analyzing,
    cancelling,
    comparing,
    estimating,
    extending,
    external,
    forking,
    pausing,
    promoting,
    reporting,
    selecting,
    watching,
)
from services.optimizer.resources import RESOURCES

ACTIONS = [
    analyzing,
    cancelling,
    comparing,
    estimating,
    extending,
    external,
    forking,
    pausing,
    promoting,
    reporting,
    selecting,
    watching,
]


def registry() -> Registry:
    """Returns the verified declarations of the optimizer service."""
    return Registry("optimizer", RESOURCES, *OptimizerArea.services(), actions=ACTIONS)
