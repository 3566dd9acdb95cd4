"""What the program service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import ProgramArea

from framework.resource import Registry
from services.program.resources import RESOURCES


def registry() -> Registry:
    """Returns the verified declarations of the program service."""
    return Registry("program", RESOURCES, *ProgramArea.services())
