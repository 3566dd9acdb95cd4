"""Organizations: each sees its own; the platform's administrator makes new ones."""

from ashgrove.auth.v1 import auth_service_pb2 as pb
from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationResponse
from ashgrove.collection import Listed


class Organizations(Listed[organization_pb2.Organization]):
    """The organizations that the caller may see."""

    service, messages, noun, plural = AuthServiceStub, pb, "Organization", "organizations"

    def create(self, organization: organization_pb2.Organization, admin_email: str) -> CreateOrganizationResponse:
        """Creates an organization and its first administrator, whose key is in this answer and nowhere after."""
        made: CreateOrganizationResponse = self._call(
            "CreateOrganization", organization=organization, admin_email=admin_email
        )
        return made
