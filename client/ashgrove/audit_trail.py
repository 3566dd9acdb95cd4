"""The audit trail of the caller's organization."""

from ashgrove.audit.v1 import audit_entry_pb2
from ashgrove.audit.v1 import audit_service_pb2 as pb
from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest, VerifyAuditChainResponse
from ashgrove.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from ashgrove.collection import Listed


class AuditTrail(Listed[audit_entry_pb2.AuditEntry]):
    """What was done, by whom, provably."""

    service, messages, noun, plural = AuditServiceStub, pb, "AuditEntry", "audit_entries"

    def verify(self) -> VerifyAuditChainResponse:
        """Recomputes the whole chain; for administrators."""
        verdict: VerifyAuditChainResponse = self._connection.call(
            self._stub.VerifyAuditChain, VerifyAuditChainRequest(), deadline=300.0
        )
        return verdict
