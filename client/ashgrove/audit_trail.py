"""The audit trail of the caller's organization."""

from collections.abc import Iterator
from typing import Any

from ashgrove.audit.v1 import audit_entry_pb2
from ashgrove.audit.v1 import audit_service_pb2 as pb
from ashgrove.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from ashgrove.connection import Connection


class AuditTrail:
    """What was done, by whom, provably."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = AuditServiceStub(connection.channel)

    def list(self, filter: str = "", order_by: str = "") -> Iterator[audit_entry_pb2.AuditEntry]:
        """Yields entries, newest first unless ordered otherwise."""
        request = pb.ListAuditEntriesRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListAuditEntries, request, "audit_entries")

    def verify(self) -> pb.VerifyAuditChainResponse:
        """Recomputes the whole chain; for administrators."""
        verdict: pb.VerifyAuditChainResponse = self._connection.call(
            self._stub.VerifyAuditChain, pb.VerifyAuditChainRequest(), deadline=300.0
        )
        return verdict
