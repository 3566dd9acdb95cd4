"""The audit trail of the caller's organization."""

from ashgrove.audit.v1 import audit_entry_pb2
from ashgrove.audit.v1 import audit_service_pb2 as pb
from ashgrove.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from ashgrove.collection import Listed


class AuditTrail(Listed[audit_entry_pb2.AuditEntry]):
    """What was done, by whom, provably."""

    service, messages, noun, plural = AuditServiceStub, pb, "AuditEntry", "audit_entries"

    def verify(self) -> pb.VerifyAuditChainResponse:
        """Recomputes the whole chain; for administrators."""
        verdict: pb.VerifyAuditChainResponse = self._connection.call(
            self._stub.VerifyAuditChain, pb.VerifyAuditChainRequest(), deadline=300.0
        )
        return verdict
