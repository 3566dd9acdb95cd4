"""What a peer refused, as the same failure here: code, message, reason and metadata are kept."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from ashgrove.error.v1.reason_pb2 import Reason
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from framework import errors

_BY_REASON: dict[str, type[errors.Failure]] = {
    Reason.Name(kind.reason).removeprefix("REASON_"): kind
    for kind in (
        errors.AlreadyExists,
        errors.StaleEtag,
        errors.WriteConflict,
        errors.IllegalState,
        errors.NoResultYet,
        errors.NotPermitted,
        errors.GrantLost,
        errors.DeadlinePassed,
        errors.DependencyUnavailable,
        errors.ModelFailed,
        errors.Cancelled,
    )
}
# For what gRPC itself answers, and for reasons that this process does not know yet.
_BY_CODE: dict[grpc.StatusCode, type[errors.Failure]] = {
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
    metadata = {key: value for key, value in info.metadata.items() if key != "docs"}  # which follows from the reason
    code = error.code()
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return errors.InvalidFields(*(errors.FieldViolation(v.field, v.description) for v in bad.field_violations))
    if code is grpc.StatusCode.NOT_FOUND:
        return errors.NotFound(metadata.get("resource", "resource"), metadata.get("id", ""))
    if code is grpc.StatusCode.OUT_OF_RANGE:
        return errors.PositionGone(int(metadata.get("oldest_sequence", "1")))
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return errors.Unauthenticated()
    kind = _BY_REASON.get(info.reason) or _BY_CODE.get(code)
    if kind is not None and kind.code is code:
        return kind(error.details() or code.name, **metadata)
    return errors.DependencyUnavailable(f"the {service} service does not answer; try again later", service=service)


def _details(error: aio.AioRpcError) -> tuple[error_details_pb2.ErrorInfo, error_details_pb2.BadRequest]:
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                if not detail.Unpack(info):
                    detail.Unpack(bad)
    return info, bad
