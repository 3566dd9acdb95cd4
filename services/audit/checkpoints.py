"""Checkpoints: every few minutes, each chain that has grown is signed as it stands."""

import asyncio
import logging
from typing import Any

from ashgrove.audit_statements import checkpoint_statement

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Database, Transaction
from services.audit.signing import Signer

_log = logging.getLogger(__name__)
SIGNING = Failpoint("checkpoint.signing", "chains have grown, and their checkpoints are not written")
SIGNED = Failpoint("checkpoint.signed", "checkpoints are written in a transaction that is not committed")

# One index lookup for each organization, however long the chains are.
_GROWN = """
WITH RECURSIVE chains AS (
    (SELECT organization_id FROM audit_entries_kept ORDER BY organization_id LIMIT 1)
    UNION ALL
    SELECT (SELECT organization_id FROM audit_entries_kept WHERE organization_id > chains.organization_id
            ORDER BY organization_id LIMIT 1)
    FROM chains WHERE chains.organization_id IS NOT NULL
)
SELECT chains.organization_id, head.sequence, head.hash
FROM chains
JOIN LATERAL (SELECT sequence, hash FROM audit_entries_kept WHERE organization_id = chains.organization_id
              ORDER BY sequence DESC LIMIT 1) AS head ON true
WHERE head.sequence > (SELECT coalesce(max(sequence), 0) FROM audit_checkpoints
                       WHERE organization_id = chains.organization_id)
"""
_INSERT = """
INSERT INTO audit_checkpoints (organization_id, chain, id, sequence, head_hash, signature, public_key)
VALUES (%(organization_id)s, %(chain)s, %(id)s, %(sequence)s, %(head_hash)s, %(signature)s, %(public_key)s)
ON CONFLICT DO NOTHING
"""


async def sign_grown(database: Database, signer: Signer) -> int:
    """Signs every chain that has grown since its last checkpoint; returns how many there were."""
    async with database.system() as tx:
        grown = await tx.fetch(_GROWN)
        if grown:
            SIGNING()
        for head in grown:
            await tx.execute(_INSERT, _checkpoint(head, signer))
        if grown:
            SIGNED()
    return len(grown)


def _checkpoint(head: dict[str, Any], signer: Signer) -> dict[str, Any]:
    stated = {"chain": str(head["organization_id"]), "sequence": head["sequence"], "head_hash": head["hash"]}
    signed = {"signature": signer.sign(checkpoint_statement(stated)), "public_key": signer.public_key}
    return {"organization_id": head["organization_id"], "id": new_id(), **stated, **signed}


async def keep_signing(database: Database, signer: Signer, every_seconds: float) -> None:
    """Signs what has grown, every so often, until cancelled."""
    while True:
        try:
            await sign_grown(database, signer)
        except Failure:
            _log.warning("checkpoints could not be signed; trying again", exc_info=True)
        await asyncio.sleep(every_seconds)


async def checkpoints_of(tx: Transaction, organization: Any) -> list[dict[str, Any]]:
    """Returns an organization's checkpoints, oldest first."""
    sql = "SELECT * FROM audit_checkpoints WHERE organization_id = %(o)s ORDER BY sequence"
    return await tx.fetch(sql, {"o": organization})
