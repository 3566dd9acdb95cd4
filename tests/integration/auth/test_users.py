"""Users: one organization, one role each, written by administrators, and never left without one."""

import asyncio

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.organization_requests_pb2 import (
    CreateOrganizationRequest,
    GetOrganizationRequest,
    ListOrganizationsRequest,
)
from ashgrove.auth.v1.user_requests_pb2 import CreateUserRequest, GetUserRequest, ListUsersRequest, UpdateUserRequest
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest

from framework.errors import AlreadyExists, Failure, IllegalState, InvalidFields, NotFound, NotPermitted
from tests.integration.auth.house import House

ADMIN, USER, VIEWER = user_pb2.User.ROLE_ADMIN, user_pb2.User.ROLE_USER, user_pb2.User.ROLE_VIEWER


def create(email: str) -> CreateUserRequest:
    return CreateUserRequest(user=user_pb2.User(email=email))


@pytest.mark.parametrize("email", ["a@example.org\nb@example.org", "a@example.org\n", " a@example.org", "nobody", "@"])
async def test_x74_an_email_is_one_whole_address(house: House, email: str) -> None:
    """X-74: the whole value is the address; no second line hides behind it."""
    with pytest.raises(InvalidFields) as refusal:
        await house.call(house.admin, "CreateUser", create(email))
    assert refusal.value.violations[0].path == "user.email"


async def test_x74_x84_an_email_is_unique_in_its_organization_whatever_the_case(house: House) -> None:
    """X-74, X-84: the database's unique index refuses the second one, and says nothing of other organizations."""
    await house.call(house.admin, "CreateUser", create("Ann@Example.org"))
    with pytest.raises(AlreadyExists) as refused:
        await house.call(house.admin, "CreateUser", create("ann@example.ORG"))
    assert refused.value.metadata["fields"] == "email"
    await house.found()  # its administrator has the same address as this one's


async def test_x84_of_two_simultaneous_registrations_one_wins(house: House) -> None:
    """X-84: the check is the index itself, so no race makes two users of one address."""
    results = await asyncio.gather(
        *(house.call(house.admin, "CreateUser", create("race@example.org")) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(r).__name__ for r in results) == ["AlreadyExists"] * 3 + ["User"]


async def test_x75_only_administrators_write_users(house: House) -> None:
    """X-75, X-79, X-80: nobody registers, promotes or renames themselves."""
    user, viewer = await house.user(), await house.user(VIEWER)
    for member in (user, viewer):
        with pytest.raises(NotPermitted):
            await house.call(house.actor(member), "CreateUser", create("x@example.org"))
        promotion = UpdateUserRequest(user=user_pb2.User(id=member.id, role=ADMIN))
        with pytest.raises(NotPermitted):
            await house.call(house.actor(member), "UpdateUser", promotion)


async def test_x75_an_unspecified_role_is_user(house: House) -> None:
    """X-75: nobody becomes an administrator by leaving something out."""
    assert (await house.call(house.admin, "CreateUser", create("plain@example.org"))).role == USER


async def test_x75_the_last_active_administrator_stays(house: House) -> None:
    """X-75: neither demotion nor deactivation leaves an organization without an administrator."""
    for change in ({"role": USER}, {"role": VIEWER}, {"deactivated": True}):
        with pytest.raises(IllegalState):
            await house.change(house.administrator, **change)
    second = await house.user(ADMIN)
    await house.change(second, deactivated=True)
    with pytest.raises(IllegalState):
        await house.change(house.administrator, role=USER)
    await house.change(second, deactivated=False)
    assert (await house.change(house.administrator, role=USER)).role == USER


async def test_x75_two_administrators_who_demote_each_other_leave_one(house: House) -> None:
    """X-75: the guard holds between two transactions at once."""
    second = await house.user(ADMIN)
    results = await asyncio.gather(
        house.change(house.administrator, role=USER), house.change(second, role=USER), return_exceptions=True
    )
    assert sum(isinstance(r, Failure) for r in results) == 1


async def test_colleagues_are_seen_and_strangers_are_not(house: House) -> None:
    """A member reads the organization's users; another organization's are not there at all."""
    member = house.actor(await house.user())
    stranger = (await house.found()).administrator
    seen = await house.call(member, "ListUsers", ListUsersRequest())
    assert house.administrator.id in {u.id for u in seen.users}
    assert stranger.id not in {u.id for u in seen.users}
    for actor in (member, house.admin):
        with pytest.raises(NotFound):
            await house.call(actor, "GetUser", GetUserRequest(id=stranger.id))
        with pytest.raises((NotFound, NotPermitted)):
            await house.call(actor, "UpdateUser", UpdateUserRequest(user=user_pb2.User(id=stranger.id, name="x")))


async def test_row_level_security_holds_without_the_applications_filter(house: House) -> None:
    """The database itself shows a tenant only its own users, keys and grants, and nothing without a tenant."""
    await house.grant(house.admin)
    for table in ("users", "api_keys", "grants"):
        async with house.database.tenant(house.organization_id) as tx:
            rows = await tx.fetch(f"SELECT organization_id FROM {table}")
            assert {row["organization_id"] for row in rows} == {house.organization_id}
        async with house.database.tenant(None) as tx:
            assert not await tx.fetch(f"SELECT 1 FROM {table}")


async def test_x76_organizations_are_founded_by_the_operator_alone(house: House) -> None:
    """X-76: nobody joins or founds an organization by typing a name."""
    request = CreateOrganizationRequest(admin_email="a@example.org")
    request.organization.name = "mine"
    with pytest.raises(NotPermitted):
        await house.call(house.admin, "CreateOrganization", request)


async def test_an_organizations_name_is_unique_whatever_the_case(house: House) -> None:
    """The second founder of a name is told so, and leaves nothing behind."""
    await house.found("Twice " + str(house.organization_id))
    with pytest.raises(AlreadyExists):
        await house.found("tWICE " + str(house.organization_id))


async def test_x86_an_administrator_sees_the_own_organization_only(house: House) -> None:
    """X-86: to rule one organization shows no other."""
    other = await house.found()
    seen = await house.call(house.admin, "ListOrganizations", ListOrganizationsRequest())
    assert [o.id for o in seen.organizations] == [str(house.organization_id)]
    counted = await house.call(house.admin, "AggregateOrganizations", AggregateRequest(measures=["count()"]))
    assert counted.rows[0].values["count"].number_value == 1
    with pytest.raises(NotFound):
        await house.call(house.admin, "GetOrganization", GetOrganizationRequest(id=other.organization.id))
