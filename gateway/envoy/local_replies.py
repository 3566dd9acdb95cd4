"""What Envoy itself says to REST callers, in the shape of every other error: code, message, details with a reason."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DOMAIN = "ashgrove.dev"
_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_AS_ENVOY_SAYS = "%LOCAL_REPLY_BODY%"


class Told(NamedTuple):
    """The canonical code, its number first, and the reason that an HTTP status of Envoy's own stands for."""

    code: int
    reason: str
    message: str = _AS_ENVOY_SAYS


UNAVAILABLE = Told(14, "DEPENDENCY_UNAVAILABLE", "the service does not answer; try again later")
LATE = Told(4, "DEADLINE_PASSED", "the deadline passed before the service answered")
CALLER = Told(3, "MALFORMED_REQUEST")
PATH = Told(3, "MALFORMED_REQUEST", "the path cannot be read: it may hold no escaped slash (%%2F)")
OURS = Told(13, "INTERNAL_FAULT", "internal error; quote request %REQ(X-REQUEST-ID)%")
# By HTTP status; what is not named here is told by its hundred.
REPLIES: Mapping[int, Told] = {
    404: Told(5, "UNKNOWN_ROUTE", "no method is at this path with this verb: compare both with the API's reference"),
    408: LATE,
    413: Told(3, "REQUEST_TOO_LARGE"),
    429: Told(8, "LIMIT_REACHED", "too many calls from this address; wait a second"),
    431: Told(3, "REQUEST_TOO_LARGE"),
    503: UNAVAILABLE,
    504: LATE,
}


def local_replies(headers: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
    """Returns the mappers of Envoy's `local_reply_config`, most particular first; each adds the headers.

    What is refused before any filter sees it is told here only.
    """
    by_status = [_mapper(_status("EQ", status), told) for status, told in sorted(REPLIES.items())]
    by_hundred = [_mapper(_status("GE", 500), OURS), _mapper(_status("GE", 400), CALLER)]
    named = [_mapper(_UNANSWERED, UNAVAILABLE), _DENIED, _mapper(_UNREAD, PATH)]
    mappers = [_NATIVE, *named, *by_status, *by_hundred]
    return [mapper | {"headers_to_add": list(headers)} for mapper in mappers]


_NO_REST = {"name": "x-envoy-original-path", "present_match": True, "invert_match": True}
_GRPC = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
# Native gRPC has grpc-message, which a body would not reach.
_NATIVE = {"filter": {"and_filter": {"filters": [{"header_filter": {"header": each}} for each in (_GRPC, _NO_REST)]}}}


def _because(details: str) -> dict[str, Any]:
    """Returns the filter for what Envoy does for one reason of its own."""
    expression = f"response.code_details == '{details}'"
    config = {"@type": _CEL, "expression": expression}
    return {"extension_filter": {"name": "envoy.access_loggers.extension_filters.cel", "typed_config": config}}


# What ext_authz says has its shape already; when it does not answer, Envoy refuses without a word.
_UNANSWERED = _because("ext_authz_error")
# Neither has it words for a path.
_UNREAD = _because("path_normalization_failed")
_DENIED = {"filter": {"response_flag_filter": {"flags": ["UAEX"]}}}


def _status(operation: str, status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": f"local_reply_{operation.lower()}_{status}"}
    return {"status_code_filter": {"comparison": {"op": operation, "value": value}}}


def _mapper(when: dict[str, Any], told: Told) -> dict[str, Any]:
    docs = f"errors/{told.reason.lower().replace('_', '-')}.md"
    info = {"@type": _INFO, "reason": told.reason, "domain": DOMAIN, "metadata": {"docs": docs}}
    shape = {"code": told.code, "message": told.message, "details": [info]}
    return {"filter": when, "body_format_override": {"json_format": shape, "content_type": "application/json"}}
