"""The audit trail of the caller's organization, and its proof by whoever trusts no server."""

import json
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from google.protobuf.json_format import ParseDict, ParseError
from google.protobuf.message import Message

from ashgrove.areas import AuditArea
from ashgrove.audit.v1 import audit_entry_pb2
from ashgrove.audit.v1.audit_checkpoint_pb2 import AuditCheckpoint
from ashgrove.audit.v1.audit_entry_pb2 import AuditEntry
from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest, VerifyAuditChainResponse
from ashgrove.collection import Listed
from ashgrove.exports import Exports

if TYPE_CHECKING:
    from ashgrove.audit_verification import Verification

M = TypeVar("M", bound=Message)


class AuditTrail(Listed[audit_entry_pb2.AuditEntry]):
    """What was done, by whom, provably."""

    area, noun, plural = AuditArea, "AuditEntry", "audit_entries"

    def verify(self) -> VerifyAuditChainResponse:
        """Has the server recompute the whole chain; for administrators."""
        verdict: VerifyAuditChainResponse = self._connection.call(
            self._stub.VerifyAuditChain, VerifyAuditChainRequest(), deadline=300.0
        )
        return verdict

    def verify_here(
        self, checkpoints: Iterable[AuditCheckpoint] = (), public_keys: Collection[str] = ()
    ) -> "Verification":
        """Fetches the whole chain and recomputes it here, trusting no server; for administrators.

        It must pass through the platform's checkpoints and through those that were kept elsewhere, signed by one of the
        public keys when some are named. Raises ValueError without `ashgrove[audit]`.
        """
        exports = Exports(self._connection)
        theirs = [cast(AuditCheckpoint, row.resource) for row in exports.rows("audit_checkpoints")]
        rows = exports.rows("audit_entries", order_by="sequence")
        entries = (cast(AuditEntry, row.resource) for row in rows)
        return verified(entries, [*theirs, *checkpoints], public_keys)


def verified(
    entries: Iterable[AuditEntry], checkpoints: Iterable[AuditCheckpoint] = (), public_keys: Collection[str] = ()
) -> "Verification":
    """Recomputes a chain from its first entry, and says how far it holds; ValueError without `ashgrove[audit]`."""
    try:
        from ashgrove.audit_chain import checkpoint_of, entry_of
        from ashgrove.audit_verification import Verification
    except ImportError:
        raise ValueError("verifying needs cryptography and rfc8785: install `ashgrove[audit]`") from None
    found = Verification(trusted=frozenset(public_keys))
    found.expect(checkpoint_of(one) for one in checkpoints)
    if found.walk(entry_of(entry) for entry in entries):
        found.end()
    return found


def exported(path: Path, kind: type[M]) -> Iterator[M]:
    """Yields the messages of an export as JSON lines; raises ValueError naming the line that is none."""
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            noun = kind.DESCRIPTOR.name
            try:
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ValueError("it is no object")
                yield ParseDict(found, kind(), ignore_unknown_fields=True)
            except (ParseError, ValueError) as wrong:
                raise ValueError(f"line {number} of {path} is no {noun} as JSON: {wrong}") from None
