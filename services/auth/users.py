"""Users as a resource: the members of an organization, and who may see and change them."""

from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.user_requests_pb2 import (
    CreateServiceAccountRequest,
    EndMembershipRequest,
    SetPreferencesRequest,
)

from framework.call import Role
from framework.engine import Call
from framework.errors import IllegalState
from framework.policy import anyone, bypass, field_policy, forbid, has_role, is_guest, itself, policy, signed_in
from framework.resource import Resource, Storage, action
from services.auth import members
from services.auth.names import SHAPE, plain_name

_PERSON = user_pb2.User.KIND_PERSON


class User(Resource[user_pb2.User]):
    """Members; everyone reads their colleagues, administrators write."""

    storage = Storage(
        unique=[("email_shape",)],
        hidden={
            "email_key": "text NOT NULL GENERATED ALWAYS AS (lower(email)) STORED",
            "email_shape": f"text NOT NULL GENERATED ALWAYS AS ({SHAPE}) STORED",
            "operator": "boolean NOT NULL DEFAULT false",
            "person_id": "uuid",
        },
    )
    policies = [
        # Whoever is let in for a while must leave nobody behind.
        forbid(is_guest, "Create", "Update", "CreateServiceAccount", "EndMembership"),
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=signed_in),
        policy("Create", "Update", "CreateServiceAccount", allow=has_role(Role.ADMIN)),
        policy("EndMembership", "SetPreferences", allow=itself),
        policy("ListMemberships", allow=signed_in),
        policy("SignIn", "ChangePassword", allow=anyone),
    ]
    # Colleagues are known by name; where mail reaches them is their own and the administrators' affair. Who has not
    # signed in is told of one user only, by signing in.
    field_policies = [
        field_policy("email", allow=has_role(Role.ADMIN) | itself | ~signed_in),
        field_policy("preferences", allow=itself | ~signed_in),
    ]

    async def prepare(self, call: Call, new: user_pb2.User, old: user_pb2.User | None) -> None:
        """Reads an unspecified role as ROLE_USER; refuses to lose the last active administrator."""
        new.role = new.role or user_pb2.User.ROLE_USER
        new.kind = new.kind or _PERSON
        new.name = plain_name(new.name, "user.name")
        if old is None:
            return
        if old.kind == user_pb2.User.KIND_BREAK_GLASS and new.role != old.role:
            raise IllegalState("the operator's role is what BreakGlass gave; legal: UpdateUser of `deactivated`")
        if old.HasField("ended_at") and old.kind == _PERSON:
            raise IllegalState("this membership has ended; legal: CreateInvitation", user_id=old.id)
        if members.rules(old) and not members.rules(new):
            await members.refuse_to_lose_the_last(call, old.id)


@action(User, "CreateServiceAccount")
async def create_service_account(call: Call, request: CreateServiceAccountRequest) -> user_pb2.User:
    """Creates a member that has keys and no sign-in."""
    wanted = user_pb2.User(name=request.name or request.handle, role=request.role)
    wanted.email = f"{request.handle}@{members.SERVICE_ACCOUNTS}"
    return await call.create(User, wanted, hidden={"kind": "KIND_SERVICE_ACCOUNT"})


@action(User, "EndMembership")
async def end_membership(call: Call, request: EndMembershipRequest) -> user_pb2.User:
    """Ends a membership, and with it every key; one that has ended stays as it is."""
    async with call.transaction():
        row = await call.row(User, request.id, "EndMembership", lock=True)
        if row["ended_at"] is not None and row["deactivated"]:
            return await call.get(User, request.id, verb="EndMembership")
        return await members.ended(call, row)


@action(User, "SetPreferences")
async def set_preferences(call: Call, request: SetPreferencesRequest) -> user_pb2.User:
    """Sets how the caller likes things shown."""
    preferences = members.as_column(request.preferences)
    return await call.update(User, call.actor.id, {"preferences": preferences}, verb="SetPreferences")
