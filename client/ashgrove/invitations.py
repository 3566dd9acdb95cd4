"""Invitations: how people come into an organization."""

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import invitation_pb2
from ashgrove.auth.v1.invitation_requests_pb2 import CreateInvitationResponse
from ashgrove.collection import Listed


class Invitations(Listed[invitation_pb2.Invitation]):
    """The invitations of the caller's organization; for administrators."""

    area, noun, plural = AuthArea, "Invitation", "invitations"

    def create(self, invitation: invitation_pb2.Invitation) -> CreateInvitationResponse:
        """Invites somebody; the `token` to hand to them is in this answer and nowhere after."""
        made: CreateInvitationResponse = self._call("CreateInvitation", invitation=invitation)
        return made

    def revoke(self, identifier: str) -> invitation_pb2.Invitation:
        """Ends an invitation that nobody accepted."""
        gone: invitation_pb2.Invitation = self._call("RevokeInvitation", id=identifier)
        return gone
