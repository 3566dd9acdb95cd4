"""A chain verified, link by link, against what was signed about it."""

import asyncio
from typing import Any

from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest, VerifyAuditChainResponse
from ashgrove.audit_verification import Verification

from framework.engine import Call
from framework.errors import NotFound
from framework.resource import action
from framework.storage import Transaction
from services.audit.checkpoints import checkpoints_of
from services.audit.resources import AuditEntry

_BATCH = 500
_LINKS = """
SELECT * FROM audit_entries WHERE organization_id = %(organization)s AND sequence > %(after)s
ORDER BY sequence LIMIT %(limit)s"""
_LINK = "SELECT hash FROM audit_entries_kept WHERE organization_id = %(organization)s AND sequence = %(sequence)s"


@action(AuditEntry, "VerifyAuditChain")
async def verify(call: Call, request: VerifyAuditChainRequest) -> VerifyAuditChainResponse:
    """Recomputes the links of the caller's organization from one on."""
    async with call.transaction() as tx:
        found = await _start(tx, call, max(1, request.from_sequence))
        found.expect(await checkpoints_of(tx, call.context.organization_id))
        while rows := await tx.fetch(_LINKS, _mine(call) | {"after": found.sequence, "limit": _BATCH}):
            # Hashing is work: off the event loop, so that other calls go on.
            if not await asyncio.to_thread(found.walk, rows):
                break
        found.end()
    return VerifyAuditChainResponse(
        valid=not found.fault,
        verified_count=found.count,
        broken_at=found.broken_at,
        head_hash=found.head,
        checkpoint_count=found.checkpoints,
        payloads_gone_count=found.payloads_gone,
        fault=found.fault,
    )


async def _start(tx: Transaction, call: Call, first: int) -> Verification:
    found = Verification(chain=str(call.context.organization_id), trusted=call.application or ())
    if first > 1:
        row = await tx.fetch_one(_LINK, _mine(call) | {"sequence": first - 1})
        if row is None:
            raise NotFound("audit_entry", str(first - 1))
        found.sequence, found.head = first - 1, row["hash"]
    return found


def _mine(call: Call) -> dict[str, Any]:
    return {"organization": call.context.organization_id}
