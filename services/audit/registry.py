"""What the audit service declares and does: its resources, and the modules whose functions act on them."""

from ashgrove.areas import AuditArea

from framework.resource import Registry
from services.audit import verifying
from services.audit.resources import RESOURCES


def registry() -> Registry:
    """Returns the verified declarations of the audit service."""
    return Registry("audit", RESOURCES, *AuditArea.services(), actions=[verifying])
