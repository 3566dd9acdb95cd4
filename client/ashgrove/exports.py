"""Whole collections: every row that the caller may list, in one stream that goes on by itself when it is cut."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from ashgrove.audit.v1 import audit_service_pb2
from ashgrove.auth.v1 import auth_service_pb2
from ashgrove.connection import Connection
from ashgrove.errors import Unavailable
from ashgrove.optimizer.v1 import optimizer_service_pb2
from ashgrove.program.v1 import program_service_pb2
from ashgrove.resource.v1 import aggregate_pb2, export_pb2
from ashgrove.values import unpacked
from ashgrove.variables.v1 import variables_service_pb2

_MODULES = (program_service_pb2, variables_service_pb2, optimizer_service_pb2, auth_service_pb2, audit_service_pb2)
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
        return sorted(_rpcs("Export"))

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
        path = _rpcs("Aggregate").get(collection)
        if path is None:
            return None
        call = self._connection.channel.unary_unary(
            path,
            request_serializer=aggregate_pb2.AggregateRequest.SerializeToString,
            response_deserializer=aggregate_pb2.AggregateResponse.FromString,
        )
        request = aggregate_pb2.AggregateRequest(measures=["count() as rows"], filter=filter, show_archived=archived)
        answer = self._connection.call(call, request)
        return int(answer.rows[0].values["rows"].number_value) if answer.rows else 0

    def _stream(self, collection: str, request: export_pb2.ExportRequest) -> Iterator[export_pb2.ExportResponse]:
        paths = _rpcs("Export")
        if collection not in paths:
            raise ValueError(f"there is nothing to export called {collection}; there are {', '.join(sorted(paths))}")
        call = self._connection.channel.unary_stream(
            paths[collection],
            request_serializer=export_pb2.ExportRequest.SerializeToString,
            response_deserializer=export_pb2.ExportResponse.FromString,
        )
        return self._connection.stream(call, request)


def _rpcs(verb: str) -> Mapping[str, str]:
    """Returns the paths of the RPCs that do this to a collection, by the collection's name."""
    return {
        re.sub(r"(?<!^)(?=[A-Z])", "_", method.name.removeprefix(verb)).lower(): f"/{service.full_name}/{method.name}"
        for module in _MODULES
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
        if method.name.startswith(verb)
    }
