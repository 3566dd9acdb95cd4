"""What the program service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import ProgramArea

from framework.resource import Registry
from services.program import comparing, evaluating, executing, halting, registered, streaming
from services.program.connectors import probing, sharing, usage
from services.program.datasets import adding, answered, inferring, sampling, uploading
from services.program.documents import comparing as document_comparing
from services.program.documents import exporting
from services.program.resources import RESOURCES
from services.program.schemas import serving

ACTIONS = [
    *(executing, streaming, evaluating, halting, comparing, registered),
    *(adding, answered, inferring, sampling, uploading),
    *(probing, sharing, usage),
    *(document_comparing, exporting, serving),
]


def registry() -> Registry:
    """Returns the verified declarations of the program service."""
    return Registry("program", RESOURCES, *ProgramArea.services(), actions=ACTIONS)
