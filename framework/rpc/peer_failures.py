"""What a peer refused, as the same failure here: code, message, reason and metadata are kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from framework import errors

_BY_CODE: dict[grpc.StatusCode, type[errors.Failure]] = {
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.FAILED_PRECONDITION: errors.IllegalState,
    grpc.StatusCode.PERMISSION_DENIED: errors.NotPermitted,
    grpc.StatusCode.ABORTED: errors.WriteConflict,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlinePassed,
}


@contextmanager
def from_peer(service: str) -> Iterator[None]:
    """Raises a `Failure` in place of a peer's error; what makes no sense to a caller is an unavailable dependency."""
    try:
        yield
    except aio.AioRpcError as error:
        raise failure_of(error, service) from error


def failure_of(error: aio.AioRpcError, service: str) -> errors.Failure:
    """Returns the failure that a peer's error stands for."""
    info, bad = _details(error)
    metadata = dict(info.metadata)
    code = error.code()
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return errors.InvalidFields(*(errors.FieldViolation(v.field, v.description) for v in bad.field_violations))
    if code is grpc.StatusCode.NOT_FOUND:
        return errors.NotFound(metadata.get("resource", "resource"), metadata.get("id", ""))
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return errors.Unauthenticated()
    if info.reason == "GRANT_LOST":
        return errors.GrantLost(error.details() or "the grant no longer holds", **metadata)
    if code in _BY_CODE:
        return _BY_CODE[code](error.details() or code.name, **metadata)
    return errors.DependencyUnavailable(f"the {service} service does not answer; try again later", service=service)


def _details(error: aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                if not detail.Unpack(info):
                    detail.Unpack(bad)
    return info, bad
