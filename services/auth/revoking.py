"""Ending what was handed out: at once, and once only."""

from collections.abc import Mapping
from typing import Any

from framework.engine import Call
from framework.resource import Resource
from framework.storage import transaction_time


async def revoked(call: Call, resource: type[Resource[Any]], row: Mapping[str, Any], verb: str) -> Any:
    """Returns what a locked row tells once it is revoked; what was revoked before stays as it is."""
    if row["revoked_at"] is not None:
        return await call.get(resource, str(row["id"]), verb=verb)
    return await call.update(resource, str(row["id"]), {"revoked_at": transaction_time()}, verb=verb)
