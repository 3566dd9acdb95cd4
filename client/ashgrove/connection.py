"""One connection to the gateway: calls with a deadline and the caller's key, errors as our own."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from ashgrove.errors import AshgroveError, Unavailable, from_rpc, from_status

DEADLINE_SECONDS = 30.0
M = TypeVar("M", bound=Message)


class _Made:
    """Requests as they are made, and what ended them: gRPC, whose thread makes them, says only that something did."""

    def __init__(self, requests: Iterator[Message]) -> None:
        self.fault: Exception | None = None
        self._requests = requests

    def __iter__(self) -> Iterator[Message]:
        try:
            yield from self._requests
        except Exception as fault:
            self.fault = fault
            raise


class Connection:
    """A channel, by TLS when there are credentials for it, a key or token, and the organization that calls name."""

    def __init__(self, address: str, api_key: str = "", credentials: Any = None, organization: str = "") -> None:
        options = [("grpc.max_receive_message_length", 64 * 1024 * 1024)]
        self.channel: Any = (
            grpc.secure_channel(address, credentials, options=options)
            if credentials
            else grpc.insecure_channel(address, options=options)
        )
        self._address = address
        self._metadata = [("authorization", f"Bearer {api_key}")] if api_key else []
        if organization:
            self._metadata.append(("x-ashgrove-organization", organization))

    def call(self, method: Callable[..., Any], request: Message, deadline: float = DEADLINE_SECONDS) -> Any:
        """Returns the answer; raises an AshgroveError."""
        try:
            return method(request, metadata=self._metadata, timeout=deadline)
        except grpc.RpcError as error:
            raise self._refusal(error) from None

    def send(self, method: Callable[..., Any], requests: Iterator[Message]) -> Any:
        """Returns the answer to a stream of requests, without a deadline; raises an AshgroveError, or as they do."""
        made = _Made(requests)
        try:
            return method(iter(made), metadata=self._metadata)
        except grpc.RpcError as error:
            raise made.fault or self._refusal(error) from None

    def stream(
        self, method: Callable[..., Any], request: Message, begun: Callable[[Any], object] = lambda call: None
    ) -> Iterator[Any]:
        """Yields a stream's frames, without a deadline; raises an AshgroveError when it breaks or ends with one.

        `begun` is given the call, for another thread to cancel.
        """
        call = method(request, metadata=self._metadata)
        begun(call)
        try:
            for frame in call:
                if frame.WhichOneof("frame") == "end" and frame.end.status.code:
                    raise from_status(frame.end.status)
                yield frame
        except grpc.RpcError as error:
            raise self._refusal(error) from None
        finally:
            call.cancel()  # a reader that leaves early leaves no stream open behind it

    def pages(self, method: Callable[..., Any], request: Any, field: str) -> Iterator[Any]:
        """Yields every item of every page."""
        while True:
            answer = self.call(method, request)
            yield from getattr(answer, field)
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def _refusal(self, error: Any) -> AshgroveError:
        """Returns our own error; a gateway that is not there is named with the remedy, not in a socket's words."""
        if error.code() is grpc.StatusCode.UNAVAILABLE and "failed to connect" in (error.details() or ""):
            return Unavailable(
                f"no gateway answers at {self._address}: start one with `make up`, or set ASHGROVE_ADDRESS"
            )
        return from_rpc(error)

    def close(self) -> None:
        """Closes the channel."""
        self.channel.close()
