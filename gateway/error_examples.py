"""An example of every reason: what was asked, and the answer, as a real call is answered (a test provokes each)."""

from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from framework import errors
from gateway.envoy.local_replies import CALLER, DOMAIN, REPLIES, Told

_ID = "0193a5c2-7d54-7c3e-9f5b-2a6f0e3c1b7d"


@dataclass(frozen=True)
class Example:
    """A question in words, and its refusal."""

    asked: str
    status: status_pb2.Status

    @property
    def code(self) -> grpc.StatusCode:
        """The canonical code."""
        return next(code for code in grpc.StatusCode if code.value[0] == self.status.code)


def _example(asked: str, failure: errors.Failure) -> Example:
    return Example(asked, failure.status())


def _told(asked: str, told: Told, message: str, **metadata: str) -> Example:
    """Returns an example that no failure of the framework makes: the gateway's own, or a service's."""
    metadata["docs"] = errors.page_of(told.reason)
    info = error_details_pb2.ErrorInfo(reason=told.reason, domain=DOMAIN, metadata=metadata)
    detail = any_pb2.Any()
    detail.Pack(info)
    return Example(asked, status_pb2.Status(code=told.code, message=message, details=[detail]))


_SPACE = (
    errors.FieldViolation("variable_space.name", "must be at least 1 characters"),
    errors.FieldViolation("variable_space.name", "must be one line without spaces at its ends"),
    errors.FieldViolation("variable_space.variables", "must contain at least 1 item(s)"),
)

EXAMPLES: dict[str, Example] = {
    "INVALID_FIELD": _example(
        "`CreateVariableSpace` without a name and without variables.", errors.InvalidFields(*_SPACE)
    ),
    "RESOURCE_NOT_FOUND": _example(
        "`GetVariableSpace` with an id that nothing has, or that another organization's space has.",
        errors.NotFound("variable_space", _ID),
    ),
    "RESOURCE_EXISTS": _example(
        "`CreateVariableSpace` with a name that another of the caller's spaces has.",
        errors.AlreadyExists(
            "another variable space has the same owner_id and name; choose others",
            resource="variable_space",
            fields="owner_id,name",
        ),
    ),
    "STALE_ETAG": _example(
        "`UpdateVariableSpace` with the `etag` of an earlier state.",
        errors.StaleEtag("it changed since you read it: read it again and retry", current_etag="4"),
    ),
    "WRITE_CONFLICT": _example(
        "Two calls that lock the same rows in another order.", errors.WriteConflict("two writers met; try again")
    ),
    "ILLEGAL_STATE": _example(
        "`UpdateVariableSpace` of an archived space.",
        errors.IllegalState(
            "this variable space is ARCHIVED: Update is not legal now; "
            "legal: UnarchiveVariableSpace, PurgeVariableSpace",
            status="ARCHIVED",
            action="Update",
            legal="UnarchiveVariableSpace, PurgeVariableSpace",
        ),
    ),
    "CREDENTIAL_REFUSED": _example("Any call with a revoked key, or without one.", errors.Unauthenticated()),
    "NOT_PERMITTED": _example(
        "`CreateVariableSpace` as a viewer.",
        errors.NotPermitted("you may not CreateVariableSpace", action="CreateVariableSpace"),
    ),
    "DEADLINE_PASSED": _example(
        "`ExecuteProgram` with a second to go, of a program that takes two.",
        errors.DeadlinePassed("the deadline passed before the work was done"),
    ),
    "DEPENDENCY_UNAVAILABLE": _example(
        "Any call while the auth service gives no keys.",
        errors.DependencyUnavailable("the auth service does not answer; try again later", service="auth"),
    ),
    "LIMIT_REACHED": _told(
        "`GenerateConfigurations` of a space whose constraints leave next to nothing.",
        Told(8, "LIMIT_REACHED"),
        "the space seems unsatisfiable: none of 256 candidates was valid, most broke `hot`",
        candidates="256",
        accepted="0",
        most_violated="hot",
    ),
    "INTERNAL_FAULT": _example("Whatever nobody foresaw.", errors.InternalFault(_ID)),
    "INVALID_PAGE_TOKEN": _example(
        "`ListVariableSpaces` with the token of a page and another filter.", errors.InvalidPageToken()
    ),
    "CANCELLED": _example("Work that was stopped.", errors.Cancelled("the work was stopped on request")),
    "GRANT_LOST": _example(
        "A run's next evaluation, after its user was deactivated.",
        errors.GrantLost("the grant no longer holds: user inactive", cause="user inactive"),
    ),
    "LEASE_LOST": _example(
        "`CompleteTrials` for a trial whose lease has ended meanwhile.",
        errors.LeaseLost(
            "the lease on trial 7 has ended: renew it with RenewTrials, then tell again",
            trial_number="7",
            lease="ENDED",
        ),
    ),
    "NO_RESULT_YET": _example(
        "`GetBestConfiguration` of a run without a finished trial.",
        errors.NoResultYet("no trial of this run is complete yet; watch it and ask again", run_id=_ID),
    ),
    "MODEL_FAILED": _example("A model that does not answer.", errors.ModelFailed("the model does not answer")),
    "ALREADY_DONE": _example(
        "`CreateApiKey` with a `request_id` that made a key before.",
        errors.AlreadyDone("this request was done before, and its answer held secrets that are not kept"),
    ),
    "POSITION_GONE": _example("`WatchVariableSpaces` from a position of two weeks ago.", errors.PositionGone(4711)),
    "VIEW_CHANGED": _example(
        "`WatchVariableConfigurations`, while somebody's space with many configurations becomes private.",
        errors.ViewChanged(),
    ),
    "UNKNOWN_ROUTE": _told("`GET /v1/nothing`.", REPLIES[404], REPLIES[404].message),
    "REQUEST_TOO_LARGE": _told("`POST /v1/datasets` with 5 MB.", REPLIES[413], "content length too large"),
    "MALFORMED_REQUEST": _told(
        "`POST /v1/programs` with the body `{`.", CALLER, "Unexpected end of string. Expected an object key or }."
    ),
}
