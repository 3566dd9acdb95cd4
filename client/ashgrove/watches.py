"""Collections as they change: what was missed since a position, then each change as it comes."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from ashgrove.collection_rpcs import path_of, paths_of
from ashgrove.connection import Connection
from ashgrove.errors import Unavailable
from ashgrove.resource.v1 import watch_pb2
from ashgrove.values import unpacked

_PATIENCE_SECONDS = 60.0
_Type = watch_pb2.WatchResponse.Item.Type


class Change(NamedTuple):
    """What happened to a resource: created, updated, archived, unarchived, or removed from what is watched."""

    kind: str
    id: str
    resource: Message | None
    """As the caller may see it now; None when it is removed."""
    changed: tuple[str, ...]
    sequence: int


class Watches:
    """The collections that can be watched."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def collections(self) -> list[str]:
        """What there is, such as `programs` and `optimization_runs`."""
        return sorted(paths_of("Watch"))

    def changes(
        self,
        collection: str,
        *,
        filter: str = "",
        after: int | None = None,
        archived: bool = False,
        fields: Sequence[str] = (),
    ) -> Iterator[Change]:
        """Yields changes for ever, from now on unless `after` names the last sequence that is known.

        A stream that is cut is taken up where it was; raises Unavailable when that fails for a minute, and an
        AshgroveError with the reason POSITION_GONE or VIEW_CHANGED when the collection must be listed again.
        """
        request = watch_pb2.WatchRequest(filter=filter, read_mask=FieldMask(paths=fields), show_archived=archived)
        if after is not None:
            request.from_sequence = after
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                for frame in self._stream(collection, request):
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                    if frame.WhichOneof("frame") == "item":
                        request.from_sequence = frame.item.sequence
                        yield _change(frame.item)
                    elif frame.WhichOneof("frame") == "heartbeat":
                        request.from_sequence = frame.heartbeat.sequence
                cut = Unavailable("the watch was cut; go on after the last sequence")
            except Unavailable as error:
                cut = error
            if time.monotonic() > deadline:
                raise cut
            time.sleep(0.5)

    def _stream(self, collection: str, request: watch_pb2.WatchRequest) -> Iterator[Any]:
        call = self._connection.channel.unary_stream(
            path_of("Watch", collection),
            request_serializer=watch_pb2.WatchRequest.SerializeToString,
            response_deserializer=watch_pb2.WatchResponse.FromString,
        )
        return self._connection.stream(call, request)


def _change(item: watch_pb2.WatchResponse.Item) -> Change:
    kind = _Type.Name(item.type).removeprefix("TYPE_").lower()
    resource = unpacked(item.resource) if item.HasField("resource") else None
    return Change(kind, item.resource_id, resource, tuple(item.changed_paths), item.sequence)
