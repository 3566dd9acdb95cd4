"""Addresses that look like another's: none of them is anybody's."""

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.invitation_pb2 import Invitation
from ashgrove.auth.v1.invitation_requests_pb2 import CreateInvitationRequest
from ashgrove.auth.v1.user_requests_pb2 import (
    CreateUserRequest,
)

from framework.errors import (
    AlreadyExists,
    InvalidFields,
    Unauthenticated,
)
from tests.integration.auth.house import House
from tests.integration.auth.persons import boss_of_another, join, sign_in


@pytest.mark.parametrize(
    "email",
    [
        "\u0430nn@example.org",
        "ann@ex\u0430mple.org",
        "\uff41nn@example.org",
        "ann\u200b@example.org",
        "ann@example\u3002org",
    ],
    ids=["Cyrillic", "Cyrillic domain", "full width", "zero width", "ideographic stop"],
)
async def test_x74_an_address_of_other_letters_than_ascii_is_none(house: House, email: str) -> None:
    """X-74: look-alikes in Unicode are refused, in users and in invitations, and nobody signs in with one."""
    for rpc, request, path in (
        ("CreateUser", CreateUserRequest(user=user_pb2.User(email=email)), "user.email"),
        ("CreateInvitation", CreateInvitationRequest(invitation=Invitation(email=email)), "invitation.email"),
    ):
        with pytest.raises(InvalidFields) as refused:
            await house.call(house.admin, rpc, request)
        assert refused.value.violations[0].path == path
    with pytest.raises(Unauthenticated):
        await sign_in(house, email)


@pytest.mark.parametrize(
    "pair",
    [("all.0ne@x.org", "a11.one@x.org"), ("Bamey@x.org", "barney@x.org"), ("vvim@x.org", "wim@x.org")],
)
async def test_x74_a_look_alike_of_a_colleagues_address_is_taken(house: House, pair: tuple[str, str]) -> None:
    """X-74: by users as by invitations; another organization may have it, and different letters stay different."""
    first, second = pair
    await house.call(house.admin, "CreateUser", CreateUserRequest(user=user_pb2.User(email=first)))
    with pytest.raises(AlreadyExists):
        await house.call(house.admin, "CreateUser", CreateUserRequest(user=user_pb2.User(email=second)))
    with pytest.raises(AlreadyExists):
        await join(house, second)
    boss = await boss_of_another(house)
    await house.call(boss, "CreateUser", CreateUserRequest(user=user_pb2.User(email=second)))
    await house.call(house.admin, "CreateUser", CreateUserRequest(user=user_pb2.User(email=f"x{first}")))
