"""The members of the caller's organization, and where the caller belongs."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.user_requests_pb2 import Membership
from ashgrove.collection import Listed
from ashgrove.values import numbered


class Users(Listed[user_pb2.User]):
    """The users that the caller may see."""

    area, noun, plural = AuthArea, "User", "users"

    def create(self, user: user_pb2.User) -> user_pb2.User:
        """Creates a user, who signs in by keys only; for administrators."""
        made: user_pb2.User = self._call("CreateUser", user=user)
        return made

    def update(self, identifier: str, **fields: Any) -> user_pb2.User:
        """Changes the fields that are named, such as `role` and `deactivated`; for administrators."""
        user = user_pb2.User(id=identifier, **fields)
        changed: user_pb2.User = self._call("UpdateUser", user=user, update_mask=FieldMask(paths=list(fields)))
        return changed

    def end_membership(self, identifier: str) -> user_pb2.User:
        """Ends a membership with its keys: an administrator anyone's, a member the own."""
        gone: user_pb2.User = self._call("EndMembership", id=identifier)
        return gone

    def create_service_account(self, handle: str, name: str = "", role: str = "user") -> user_pb2.User:
        """Creates a member that has keys and no sign-in; for administrators."""
        made: user_pb2.User = self._call("CreateServiceAccount", handle=handle, name=name, role=role_of(role))
        return made

    def set_preferences(self, preferences: user_pb2.UserPreferences) -> user_pb2.User:
        """Sets how the caller likes things shown."""
        changed: user_pb2.User = self._call("SetPreferences", preferences=preferences)
        return changed

    def memberships(self) -> Sequence[Membership]:
        """Returns where the caller belongs: everywhere after a sign-in by password, one place with a key."""
        found: Sequence[Membership] = self._call("ListMemberships").memberships
        return found


def role_of(name: str) -> "user_pb2.User.Role.ValueType":
    """Returns a role by its plain name: `admin`, `user` or `viewer`; raises ValueError for others."""
    role: user_pb2.User.Role.ValueType = numbered(user_pb2.User.Role, name)
    return role
