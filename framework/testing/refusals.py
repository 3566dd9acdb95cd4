"""What a call was refused with, read off the wire as any client reads it."""

from typing import Self

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc import aio


class Refused(Exception):  # noqa: N818 - a refusal is what the caller sees
    """A call's status: canonical code, message, reason, metadata, and the path of every wrong field."""

    def __init__(self, code: grpc.StatusCode, status: status_pb2.Status) -> None:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        for detail in status.details:
            if not detail.Unpack(info):
                detail.Unpack(bad)
        super().__init__(f"{code.name} {info.reason}: {status.message}")
        self.code = code
        self.status = status
        self.message = status.message
        self.reason = info.reason
        self.metadata = dict(info.metadata)
        self.fields = [violation.field for violation in bad.field_violations]

    @classmethod
    def of(cls, error: aio.AioRpcError) -> Self:
        """Returns what a gRPC error tells; its message alone where it has no details."""
        status = status_pb2.Status(code=error.code().value[0], message=error.details() or "")
        for key, value in error.trailing_metadata() or ():
            if key == "grpc-status-details-bin" and isinstance(value, bytes):
                status = status_pb2.Status.FromString(value)
        return cls(error.code(), status)
