"""API keys: made once, shown once, revoked for good."""

from collections.abc import Iterator
from typing import Any

from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1 import auth_service_pb2 as pb
from ashgrove.auth.v1.auth_service_pb2_grpc import AuthServiceStub
from ashgrove.connection import Connection


class Keys:
    """The API keys that the caller may see."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub: Any = AuthServiceStub(connection.channel)

    def create(self, key: api_key_pb2.ApiKey) -> pb.CreateApiKeyResponse:
        """Creates a key; its `secret` is in this answer and nowhere after."""
        request = pb.CreateApiKeyRequest(api_key=key)
        made: pb.CreateApiKeyResponse = self._connection.call(self._stub.CreateApiKey, request)
        return made

    def get(self, identifier: str) -> api_key_pb2.ApiKey:
        """Returns a key, without its secret."""
        found: api_key_pb2.ApiKey = self._connection.call(self._stub.GetApiKey, pb.GetApiKeyRequest(id=identifier))
        return found

    def list(self, filter: str = "", order_by: str = "") -> Iterator[api_key_pb2.ApiKey]:
        """Yields keys, page after page."""
        request = pb.ListApiKeysRequest(filter=filter, order_by=order_by)
        return self._connection.pages(self._stub.ListApiKeys, request, "api_keys")

    def revoke(self, identifier: str) -> api_key_pb2.ApiKey:
        """Revokes a key; it never holds again."""
        request = pb.RevokeApiKeyRequest(id=identifier)
        gone: api_key_pb2.ApiKey = self._connection.call(self._stub.RevokeApiKey, request)
        return gone
