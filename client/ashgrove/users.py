"""The people of the caller's organization."""

from ashgrove.auth.v1 import auth_service_pb2 as pb
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.collection import Listed


class Users(Listed[user_pb2.User]):
    """The users that the caller may see."""

    service, messages, noun, plural = AuthServiceStub, pb, "User", "users"

    def create(self, user: user_pb2.User) -> user_pb2.User:
        """Creates a user; for administrators."""
        made: user_pb2.User = self._call("CreateUser", user=user)
        return made
