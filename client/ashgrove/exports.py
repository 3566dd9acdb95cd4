"""Whole collections: every row that the caller may list, in one stream that goes on by itself when it is cut."""

import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from ashgrove.aggregates import Aggregates
from ashgrove.collection_rpcs import path_of, paths_of
from ashgrove.connection import Connection
from ashgrove.errors import Unavailable
from ashgrove.resource.v1 import export_pb2
from ashgrove.values import unpacked

_PATIENCE_SECONDS = 60.0


class Exported(NamedTuple):
    """A row, and the token that goes on after it."""

    resource: Message
    resume_token: str


class Exports:
    """The collections that can be exported."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def collections(self) -> list[str]:
        """What there is, such as `executions` and `audit_entries`."""
        return sorted(paths_of("Export"))

    def rows(
        self,
        collection: str,
        *,
        filter: str = "",
        order_by: str = "",
        fields: Sequence[str] = (),
        archived: bool = False,
        resume_token: str = "",
    ) -> Iterator[Exported]:
        """Yields every row with its token, newest first unless ordered otherwise.

        A stream that is cut is taken up where it was; raises Unavailable when that fails for a minute, and ValueError
        for a collection that there is not.
        """
        request = export_pb2.ExportRequest(
            filter=filter, order_by=order_by, read_mask=FieldMask(paths=fields), show_archived=archived
        )
        request.resume_token = resume_token
        path_of("Export", collection)  # refused at once, not when the first row is asked for
        return self._rows(collection, request)

    def _rows(self, collection: str, request: export_pb2.ExportRequest) -> Iterator[Exported]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                for frame in self._stream(collection, request):
                    deadline = time.monotonic() + _PATIENCE_SECONDS
                    kind = frame.WhichOneof("frame")
                    if kind == "end":
                        return
                    if kind == "item":
                        request.resume_token = frame.item.resume_token
                        yield Exported(unpacked(frame.item.resource), frame.item.resume_token)
                cut = Unavailable("the export was cut; run it again to go on")
            except Unavailable as error:
                cut = error
            if time.monotonic() > deadline:
                raise cut
            time.sleep(0.5)

    def count(self, collection: str, *, filter: str = "", archived: bool = False) -> int | None:
        """Returns how many rows an export would bring now; None where the collection cannot be measured."""
        aggregates = Aggregates(self._connection)
        if collection not in aggregates.collections:
            return None
        (group,) = aggregates.of(collection, "count() as rows", filter=filter, archived=archived).groups
        return int(group["rows"])

    def _stream(self, collection: str, request: export_pb2.ExportRequest) -> Iterator[export_pb2.ExportResponse]:
        call = self._connection.channel.unary_stream(
            path_of("Export", collection),
            request_serializer=export_pb2.ExportRequest.SerializeToString,
            response_deserializer=export_pb2.ExportResponse.FromString,
        )
        return self._connection.stream(call, request)
