"""Organizations: each sees its own; the platform's operator makes, suspends and resumes them."""

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import BreakGlassResponse, CreateOrganizationResponse
from ashgrove.collection import Listed
from ashgrove.users import role_of


class Organizations(Listed[organization_pb2.Organization]):
    """The organizations that the caller may see."""

    area, noun, plural = AuthArea, "Organization", "organizations"

    def create(self, organization: organization_pb2.Organization, admin_email: str) -> CreateOrganizationResponse:
        """Creates an organization and its first administrator, whose key is in this answer and nowhere after."""
        made: CreateOrganizationResponse = self._call(
            "CreateOrganization", organization=organization, admin_email=admin_email
        )
        return made

    def suspend(self, identifier: str, reason: str) -> organization_pb2.Organization:
        """Ends whatever goes on in an organization until it is resumed; for the operator."""
        suspended: organization_pb2.Organization = self._call("SuspendOrganization", id=identifier, reason=reason)
        return suspended

    def resume(self, identifier: str) -> organization_pb2.Organization:
        """Lets a suspended organization work again; for the operator."""
        resumed: organization_pb2.Organization = self._call("ResumeOrganization", id=identifier)
        return resumed

    def break_glass(self, identifier: str, reason: str, role: str = "viewer", seconds: int = 900) -> BreakGlassResponse:
        """Lets the operator into an organization for a short time; the key's `secret` is in this answer only."""
        asked = {"id": identifier, "reason": reason, "role": role_of(role), "lifetime_seconds": seconds}
        let_in: BreakGlassResponse = self._call("BreakGlass", **asked)
        return let_in
