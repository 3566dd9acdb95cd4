"""Where a person belongs: the memberships that they see of themselves."""

from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.user_requests_pb2 import ListMembershipsRequest, ListMembershipsResponse, Membership

from framework.engine import Call
from framework.resource import action
from services.auth import people
from services.auth.people import Membership as Belonging
from services.auth.users import User


@action(User, "ListMemberships")
async def list_memberships(call: Call, request: ListMembershipsRequest) -> ListMembershipsResponse:
    """Returns where the caller belongs.

    Of a person who signed in that is every organization; of a key, which an administrator may have made, its own only.
    """
    assert call.actor.user_id is not None
    async with call.database.system() as tx:
        person = await people.person_of(tx, call.context.organization_id, call.actor.user_id)
        belongings = await people.memberships(tx, person)
        if not belongings:
            belongings = [await people.membership(tx, call.context.organization_id, call.actor.user_id)]
    if call.actor.credential_id != call.actor.id:
        belongings = [one for one in belongings if one.organization_id == call.context.organization_id]
    return ListMembershipsResponse(memberships=map(_told, belongings))


def _told(one: Belonging) -> Membership:
    return Membership(
        organization_id=str(one.organization_id),
        organization_name=one.organization_name,
        user_id=str(one.user_id),
        role=user_pb2.User.Role.Value(f"ROLE_{one.role.name}"),
        active=one.active,
    )
