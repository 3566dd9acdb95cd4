"""API keys: made once, shown once, revoked for good."""

from ashgrove.areas import AuthArea
from ashgrove.auth.v1 import api_key_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import CreateApiKeyResponse, RotateApiKeyResponse
from ashgrove.collection import Listed


class Keys(Listed[api_key_pb2.ApiKey]):
    """The API keys that the caller may see, without their secrets."""

    area, noun, plural = AuthArea, "ApiKey", "api_keys"

    def create(self, key: api_key_pb2.ApiKey) -> CreateApiKeyResponse:
        """Creates a key; its `secret` is in this answer and nowhere after."""
        made: CreateApiKeyResponse = self._call("CreateApiKey", api_key=key)
        return made

    def rotate(self, identifier: str, overlap_seconds: int = 86_400) -> RotateApiKeyResponse:
        """Makes a key like another, which ends after the overlap; the new `secret` is in this answer only."""
        made: RotateApiKeyResponse = self._call("RotateApiKey", id=identifier, overlap_seconds=overlap_seconds)
        return made

    def revoke(self, identifier: str) -> api_key_pb2.ApiKey:
        """Revokes a key; it never holds again."""
        gone: api_key_pb2.ApiKey = self._call("RevokeApiKey", id=identifier)
        return gone
