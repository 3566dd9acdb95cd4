"""Every way a call can fail: one class per reason, each knowing its gRPC code and what a caller may be told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import grpc
from ashgrove.error.v1.reason_pb2 import Reason
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "ashgrove.dev"


@dataclass(frozen=True)
class FieldViolation:
    """One wrong field: its path in the request and a sentence that says what would be right."""

    path: str
    message: str


class Failure(Exception):  # noqa: N818 - a failure is what the caller sees; an error is what we have
    """A refusal that a caller may be told about; raise it from anywhere, one interceptor turns it into a status."""

    code: ClassVar[grpc.StatusCode]
    reason: ClassVar["Reason.ValueType"]

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata: Mapping[str, str] = metadata

    def details(self) -> list[Message]:
        """Returns what goes beside `ErrorInfo`; nothing unless a subclass has more to say."""
        return []

    def status(self) -> status_pb2.Status:
        """Returns the failure as `google.rpc.Status`, with `ErrorInfo` first."""
        reason = Reason.Name(self.reason).removeprefix("REASON_")
        told = {**self.metadata, "docs": page_of(reason)}
        info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=told)
        number: int = self.code.value[0]
        return status_pb2.Status(
            code=number, message=self.message, details=[_packed(d) for d in (info, *self.details())]
        )


def kinds() -> list[type[Failure]]:
    """Returns every kind of failure that this process knows, those of its service too."""
    found, pending = [], list(Failure.__subclasses__())
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        found.append(kind)
    return found


def page_of(reason: str) -> str:
    """Returns where the documentation tells about a reason, relative to itself."""
    return f"errors/{reason.lower().replace('_', '-')}.md"


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


class InvalidFields(Failure):
    """One or more fields are wrong; carries every violation with its path."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    reason = Reason.REASON_INVALID_FIELD

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("; ".join(f"{v.path}: {v.message}" for v in violations[:10]))
        self.violations = violations

    def moved(self, place: Callable[[str], str]) -> "InvalidFields":
        """Returns the same violations in the words of who asked: each at what `place` makes of its path."""
        return InvalidFields(*(FieldViolation(place(each.path), each.message) for each in self.violations))

    def details(self) -> list[Message]:
        """Returns every violation as `BadRequest`."""
        bad = error_details_pb2.BadRequest()
        for violation in self.violations:
            bad.field_violations.add(field=violation.path, description=violation.message)
        return [bad]


class InvalidPageToken(InvalidFields):
    """The page token was not made for this list and this caller."""

    reason = Reason.REASON_INVALID_PAGE_TOKEN

    def __init__(self, field: str = "page_token") -> None:
        super().__init__(FieldViolation(field, "not a token of this list; start again without one"))


class NotFound(Failure):
    """The resource does not exist, or the caller may not know that it does."""

    code = grpc.StatusCode.NOT_FOUND
    reason = Reason.REASON_RESOURCE_NOT_FOUND

    def __init__(self, resource: str, identifier: str) -> None:
        super().__init__(
            f"there is no {resource.replace('_', ' ')} {identifier} that you can see", resource=resource, id=identifier
        )


class AlreadyExists(Failure):
    """Another resource has that unique value."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = Reason.REASON_RESOURCE_EXISTS


class AlreadyDone(Failure):
    """The very request was done before, and its answer cannot be given twice."""

    code = grpc.StatusCode.ALREADY_EXISTS
    reason = Reason.REASON_ALREADY_DONE


class StaleEtag(Failure):
    """The resource changed since the caller read it."""

    code = grpc.StatusCode.ABORTED
    reason = Reason.REASON_STALE_ETAG


class WriteConflict(Failure):
    """Two writers met; trying again is safe."""

    code = grpc.StatusCode.ABORTED
    reason = Reason.REASON_WRITE_CONFLICT


class IllegalState(Failure):
    """The resource's state does not allow the act; the message names what is legal."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = Reason.REASON_ILLEGAL_STATE


class LeaseLost(Failure):
    """The caller does not hold, or no longer, what it tells about."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = Reason.REASON_LEASE_LOST


class NoResultYet(Failure):
    """There is nothing to answer with yet."""

    code = grpc.StatusCode.FAILED_PRECONDITION
    reason = Reason.REASON_NO_RESULT_YET


class Unauthenticated(Failure):
    """No credential, or one that does not hold; all such cases answer alike."""

    code = grpc.StatusCode.UNAUTHENTICATED
    reason = Reason.REASON_CREDENTIAL_REFUSED

    def __init__(self) -> None:
        super().__init__("a valid API key or access token is required: send it as 'Authorization: Bearer …'")


class NotPermitted(Failure):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = Reason.REASON_NOT_PERMITTED


class GrantLost(Failure):
    """The grant that let work go on in its user's name no longer holds."""

    code = grpc.StatusCode.PERMISSION_DENIED
    reason = Reason.REASON_GRANT_LOST


class DeadlinePassed(Failure):
    """The deadline passed before the work was done."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED
    reason = Reason.REASON_DEADLINE_PASSED


class DependencyUnavailable(Failure):
    """A part of the platform does not answer; retry later."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = Reason.REASON_DEPENDENCY_UNAVAILABLE


class ModelFailed(Failure):
    """The language model could not answer."""

    code = grpc.StatusCode.UNAVAILABLE
    reason = Reason.REASON_MODEL_FAILED


class Cancelled(Failure):
    """The work was stopped on request."""

    code = grpc.StatusCode.CANCELLED
    reason = Reason.REASON_CANCELLED


class LimitReached(Failure):
    """A limit is reached; the caller is told when to come back."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    reason = Reason.REASON_LIMIT_REACHED

    def __init__(self, message: str, retry_after_seconds: int, **metadata: str) -> None:
        super().__init__(message, **metadata)
        self.retry_after_seconds = retry_after_seconds

    def details(self) -> list[Message]:
        """Returns when to come back as `RetryInfo`."""
        return [error_details_pb2.RetryInfo(retry_delay=Duration(seconds=self.retry_after_seconds))]


class PositionGone(Failure):
    """The feed keeps nothing from that position on."""

    code = grpc.StatusCode.OUT_OF_RANGE
    reason = Reason.REASON_POSITION_GONE

    def __init__(self, oldest_sequence: int) -> None:
        super().__init__(
            f"what came before event {oldest_sequence} is kept no more: list again, then watch without from_sequence",
            oldest_sequence=str(oldest_sequence),
        )
        self.oldest_sequence = oldest_sequence


class ViewChanged(Failure):
    """What the caller may see changed by more than a watch can tell one by one."""

    code = grpc.StatusCode.ABORTED
    reason = Reason.REASON_VIEW_CHANGED

    def __init__(self) -> None:
        super().__init__("what you may see here changed as a whole: list again, then watch without from_sequence")


class InternalFault(Failure):
    """A fault of ours; the request id leads to its log line and nothing else is told."""

    code = grpc.StatusCode.INTERNAL
    reason = Reason.REASON_INTERNAL_FAULT

    def __init__(self, request_id: str) -> None:
        super().__init__(f"internal error; quote request {request_id}", request_id=request_id)
