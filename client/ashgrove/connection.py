"""One connection to the gateway: calls with a deadline and the caller's key, errors as our own."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from ashgrove.errors import from_rpc

DEADLINE_SECONDS = 30.0
M = TypeVar("M", bound=Message)


class Connection:
    """A channel and a key."""

    def __init__(self, address: str, api_key: str) -> None:
        self.channel: Any = grpc.insecure_channel(
            address, options=[("grpc.max_receive_message_length", 64 * 1024 * 1024)]
        )
        self._metadata = [("authorization", f"Bearer {api_key}")]

    def call(self, method: Callable[..., Any], request: Message, deadline: float = DEADLINE_SECONDS) -> Any:
        """Returns the answer; raises an AshgroveError."""
        try:
            return method(request, metadata=self._metadata, timeout=deadline)
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def stream(self, method: Callable[..., Any], request: Message) -> Iterator[Any]:
        """Yields the frames of a stream without a deadline; raises an AshgroveError when it breaks."""
        try:
            yield from method(request, metadata=self._metadata)
        except grpc.RpcError as error:
            raise from_rpc(error) from None

    def pages(self, method: Callable[..., Any], request: Any, field: str) -> Iterator[Any]:
        """Yields every item of every page."""
        while True:
            answer = self.call(method, request)
            yield from getattr(answer, field)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def close(self) -> None:
        """Closes the channel."""
        self.channel.close()
