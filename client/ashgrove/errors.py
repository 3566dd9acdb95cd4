"""What a call can fail with: one class per code, each with reason, metadata, every wrong field and when to return."""

from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2


@dataclass(frozen=True)
class Violation:
    """One wrong field: its path, and what would be right."""

    path: str
    message: str


class AshgroveError(Exception):
    """A call failed; the message says why and what to do.

    `retry_after` is in how many seconds it is worth to come back; None where the server does not say.
    """

    def __init__(
        self,
        message: str,
        reason: str = "",
        metadata: dict[str, str] | None = None,
        violations: tuple[Violation, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}
        self.violations = violations
        self.retry_after = retry_after


class NotFound(AshgroveError):
    """There is no such thing, or none that the caller may see."""


class InvalidArgument(AshgroveError):
    """One or more fields are wrong; `violations` names them all."""


class AlreadyExists(AshgroveError):
    """Another resource has that unique value."""


class FailedPrecondition(AshgroveError):
    """The resource's state does not allow the act."""


class Aborted(AshgroveError):
    """The resource changed in between: read it again and retry."""


class PermissionDenied(AshgroveError):
    """The caller may not do this."""


class Unauthenticated(AshgroveError):
    """The key or token does not hold."""


class ResourceExhausted(AshgroveError):
    """A limit is reached: wait for `retry_after` seconds, or ask for less."""


class DeadlineExceeded(AshgroveError):
    """The answer took longer than the caller, or the server, would wait; the act may have been done all the same."""


class Unavailable(AshgroveError):
    """A part of the platform does not answer; retry later."""


_BY_CODE: dict[grpc.StatusCode, type[AshgroveError]] = {
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgument,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    grpc.StatusCode.ABORTED: Aborted,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
    grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}


def from_rpc(error: Any) -> AshgroveError:
    """Returns the error that a gRPC error stands for, with the details that the server sent."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.MergeFromString(value)
    return _made(error.code(), error.details() or error.code().name, status)


def from_status(status: status_pb2.Status) -> AshgroveError:
    """Returns the error that a stream's last frame tells."""
    code = next((c for c in grpc.StatusCode if c.value[0] == status.code), grpc.StatusCode.UNKNOWN)
    return _made(code, status.message or code.name, status)


def _made(code: grpc.StatusCode, message: str, status: status_pb2.Status) -> AshgroveError:
    info, bad, retry = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest(), error_details_pb2.RetryInfo()
    for detail in status.details:
        _ = detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(retry)
    violations = tuple(Violation(v.field, v.description) for v in bad.field_violations)
    seconds = retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None
    kind = _BY_CODE.get(code, AshgroveError)
    return kind(message, info.reason, dict(info.metadata), violations, seconds)
