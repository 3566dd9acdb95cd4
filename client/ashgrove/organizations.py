"""Organizations: each sees its own; the platform's administrator makes new ones."""

from collections.abc import Iterator
from typing import Any

from ashgrove.auth.v1 import auth_service_pb2 as pb
from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.connection import Connection


class Organizations:
    """The organizations that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = AuthServiceStub(connection.channel)

    def create(self, organization: organization_pb2.Organization, admin_email: str) -> pb.CreateOrganizationResponse:
        """Creates an organization and its first administrator, whose key is in this answer and nowhere after."""
        request = pb.CreateOrganizationRequest(organization=organization, admin_email=admin_email)
        made: pb.CreateOrganizationResponse = self._connection.call(self._stub.CreateOrganization, request)
        return made

    def get(self, identifier: str) -> organization_pb2.Organization:
        """Returns an organization."""
        request = pb.GetOrganizationRequest(id=identifier)
        found: organization_pb2.Organization = self._connection.call(self._stub.GetOrganization, request)
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[organization_pb2.Organization]:
        """Yields organizations, page after page."""
        request = pb.ListOrganizationsRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListOrganizations, request, "organizations")
