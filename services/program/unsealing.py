"""Opens what a run found on the test split once the run has ended, as the optimizer's feed tells."""

from ashgrove.event.v1.event_pb2 import Event

from framework.storage import Transaction

_ENDED = ("STATUS_COMPLETED", "STATUS_FAILED", "STATUS_CANCELLED")
_OPEN = """
UPDATE evaluations SET sealed = false
WHERE organization_id = %(organization)s AND run_id = %(run)s AND sealed
"""


async def unseal(tx: Transaction, event: Event) -> None:
    """Lets the evaluations of a run be read whose end an event tells; other events change nothing."""
    if event.resource_type != "optimization_run" or event.outcome != "OK":
        return
    if event.data.fields["status"].string_value in _ENDED:
        await tx.execute(_OPEN, {"organization": event.organization_id, "run": event.resource_id})


async def sealed_as_before(tx: Transaction) -> None:
    """Leaves all as it is when the feed is read anew: what was opened stays open."""
