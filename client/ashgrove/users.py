"""The people of the caller's organization."""

from collections.abc import Iterator
from typing import Any

from ashgrove.auth.v1 import auth_service_pb2 as pb
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.connection import Connection


class Users:
    """The users that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = AuthServiceStub(connection.channel)

    def create(self, user: user_pb2.User) -> user_pb2.User:
        """Creates a user; for administrators."""
        made: user_pb2.User = self._connection.call(self._stub.CreateUser, pb.CreateUserRequest(user=user))
        return made

    def get(self, identifier: str) -> user_pb2.User:
        """Returns a user."""
        found: user_pb2.User = self._connection.call(self._stub.GetUser, pb.GetUserRequest(id=identifier))
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[user_pb2.User]:
        """Yields users, page after page."""
        request = pb.ListUsersRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListUsers, request, "users")
