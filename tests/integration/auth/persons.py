"""People of a house's tests: invited, joined, signed in."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.authentication_requests_pb2 import SignInRequest, SignInResponse
from ashgrove.auth.v1.invitation_requests_pb2 import (
    AcceptInvitationRequest,
    CreateInvitationRequest,
    CreateInvitationResponse,
)

from framework.call import ANONYMOUS, Actor
from framework.identifiers import new_id
from tests.integration.auth.house import House

PASSWORD = "correct horse battery"
USER = user_pb2.User.ROLE_USER


def address() -> str:
    """Returns an e-mail address that nobody has."""
    return f"{new_id().hex}@example.org"


async def invite(house: House, email: str, by: Actor | None = None, **fields: Any) -> CreateInvitationResponse:
    """Invites somebody, as the administrator unless somebody else is named."""
    request = CreateInvitationRequest()
    request.invitation.email = email
    for name, value in fields.items():
        if name == "expires_at":
            request.invitation.expires_at.FromSeconds(value)
        else:
            setattr(request.invitation, name, value)
    made: CreateInvitationResponse = await house.call(by or house.admin, "CreateInvitation", request)
    return made


async def accept(house: House, token: str, email: str, password: str = PASSWORD) -> SignInResponse:
    """Accepts an invitation."""
    request = AcceptInvitationRequest(token=token, email=email, password=password)
    joined: SignInResponse = await house.call(ANONYMOUS, "AcceptInvitation", request)
    return joined


async def join(house: House, email: str, by: Actor | None = None, role: int = USER) -> SignInResponse:
    """Invites somebody who accepts."""
    return await accept(house, (await invite(house, email, by, role=role)).token, email)


async def sign_in(house: House, email: str, password: str = PASSWORD, organization: str = "") -> SignInResponse:
    """Signs in by password."""
    request = SignInRequest(email=email, password=password, organization_id=organization)
    answer: SignInResponse = await house.call(ANONYMOUS, "SignIn", request)
    return answer


async def boss_of_another(house: House) -> Actor:
    """Returns the administrator of another organization."""
    founded = await house.found()
    return replace(house.actor(founded.administrator), organization_id=UUID(founded.organization.id))
