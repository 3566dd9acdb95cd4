"""What whole collections come to: groups and measures over all that the caller may list."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf.struct_pb2 import Struct

from ashgrove.collection_rpcs import path_of, paths_of
from ashgrove.connection import Connection
from ashgrove.resource.v1 import aggregate_pb2
from ashgrove.values import to_dict


class Aggregated(NamedTuple):
    """The groups, each a dict of its keys and measures, and whether there are more of them."""

    groups: list[dict[str, Any]]
    truncated: bool


class Aggregates:
    """The collections that can be measured."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def collections(self) -> list[str]:
        """What there is, such as `executions` and `audit_entries`."""
        return sorted(paths_of("Aggregate"))

    def of(
        self,
        collection: str,
        *measures: str,
        by: Sequence[str] = (),
        filter: str = "",
        having: str = "",
        order_by: str = "",
        most: int = 0,
        archived: bool = False,
    ) -> Aggregated:
        """Returns what the rows come to, such as `of("executions", "count()", "p95(latency_ms)", by=["status"])`.

        Raises ValueError for a collection that there is not, and InvalidArgument with the position of what is wrong.
        """
        call = self._connection.channel.unary_unary(
            path_of("Aggregate", collection),
            request_serializer=aggregate_pb2.AggregateRequest.SerializeToString,
            response_deserializer=aggregate_pb2.AggregateResponse.FromString,
        )
        request = aggregate_pb2.AggregateRequest(
            measures=measures,
            group_by=by,
            filter=filter,
            having=having,
            order_by=order_by,
            limit=most,
            show_archived=archived,
        )
        answer = self._connection.call(call, request)
        return Aggregated([_group(row) for row in answer.rows], answer.truncated)


def _group(row: aggregate_pb2.AggregateResponse.Row) -> dict[str, Any]:
    return to_dict(Struct(fields=row.keys)) | to_dict(Struct(fields=row.values))
