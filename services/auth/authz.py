"""ext_authz: Envoy asks here about every call, and gets an identity token to pass on or the refusal to answer with."""

import base64
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import MappingProxyType

import grpc
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2, external_auth_pb2_grpc
from envoy.type.v3 import http_status_pb2
from google.protobuf.json_format import MessageToJson
from google.rpc import status_pb2

from framework.errors import DependencyUnavailable, Failure, LimitReached, Unauthenticated
from framework.rpc.interceptors import ADDRESS
from services.auth.buckets import Taken
from services.auth.gatekeeper import Admission, Gatekeeper
from services.auth.limits import Limits
from services.auth.refusals import Refusals

ORGANIZATION = "x-ashgrove-organization"
_OURS = "x-ashgrove-"
_HTTP = {
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}
_Check = external_auth_pb2.CheckResponse
Renew = Callable[[], Awaitable[None]]


class Authorization(external_auth_pb2_grpc.AuthorizationServicer):
    """Answers Envoy's checks from memory; memory older than `patience_seconds` admits nobody.

    What memory does not know may have been made a moment ago: then memory is renewed before the refusal.
    """

    def __init__(
        self,
        gatekeeper: Gatekeeper,
        limits: Limits,
        refusals: Refusals,
        age: Callable[[], float],
        patience_seconds: float,
        renew: Renew,
    ) -> None:
        self._gatekeeper = gatekeeper
        self._limits = limits
        self._refusals = refusals
        self._age = age
        self._patience = patience_seconds
        self._renew = renew

    async def Check(
        self,
        request: external_auth_pb2.CheckRequest,
        context: grpc.aio.ServicerContext[external_auth_pb2.CheckRequest, Awaitable[external_auth_pb2.CheckResponse]],
    ) -> external_auth_pb2.CheckResponse:
        """Decides about one call."""
        http = request.attributes.request.http
        headers = http.headers
        if self._age() > self._patience:
            return _refused(DependencyUnavailable("sign-in is not available; try again later", service="auth"), headers)
        address = request.attributes.source.address.socket_address.address
        path = http.path.partition("?")[0]
        admission = await self._admission(
            path, headers.get("authorization", ""), headers.get(ORGANIZATION, ""), address
        )
        if admission is None or admission.credential is None:
            taken = await self._limits.anonymous(address, path if admission else "")
        else:
            taken = await self._limits.admitted(admission.credential, path)
        if taken.wait_seconds:
            return _refused(_limit_reached(taken), headers, _told_about(taken))
        if admission is None:
            self._refusals.note(address)
            return _refused(Unauthenticated(), headers)
        return _admitted(admission, headers, address)

    async def _admission(self, path: str, authorization: str, organization: str, address: str) -> Admission | None:
        admission = self._gatekeeper.admit(path, authorization, organization, address)
        if admission is None and self._gatekeeper.may_be_new(authorization):
            with suppress(Failure):  # then the refusal stands
                await self._renew()
            return self._gatekeeper.admit(path, authorization, organization, address)
        return admission


def _limit_reached(taken: Taken) -> LimitReached:
    kind = taken.tightest.name.partition(":")[0]
    seconds = math.ceil(taken.wait_seconds)
    told = f"too many calls of this {kind}: {taken.tightest.per_second:g} a second are allowed; wait {seconds} s"
    return LimitReached(told, seconds, limit=kind)


def _told_about(taken: Taken) -> Mapping[str, str]:
    """Returns the headers that say where a caller stands."""
    bucket = taken.tightest
    headers = {"ratelimit-limit": str(bucket.burst), "ratelimit-remaining": str(taken.remaining)}
    headers["ratelimit-reset"] = headers["retry-after"] = str(math.ceil(taken.wait_seconds))
    return headers


def _admitted(admission: Admission, headers: Mapping[str, str], address: str) -> external_auth_pb2.CheckResponse:
    """Passes the identity and the client's address on; whatever else the client claimed about itself is stripped."""
    response = _Check(status=status_pb2.Status(code=grpc.StatusCode.OK.value[0]))
    ok = response.ok_response
    ok.SetInParent()
    ok.headers_to_remove.extend(sorted(name for name in headers if name.startswith(_OURS) and name != ADDRESS))
    _pass_on(ok, ADDRESS, address)
    if admission.identity_token:
        _pass_on(ok, "authorization", f"Bearer {admission.identity_token}")
    else:
        ok.headers_to_remove.append("authorization")
    return response


def _pass_on(ok: external_auth_pb2.OkHttpResponse, key: str, value: str) -> None:
    overwrite = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    ok.headers.add(header=base_pb2.HeaderValue(key=key, value=value), append_action=overwrite)


def _refused(
    failure: Failure, headers: Mapping[str, str], more: Mapping[str, str] = MappingProxyType({})
) -> external_auth_pb2.CheckResponse:
    """Answers in the caller's own protocol: JSON for REST, text (which becomes grpc-message) and details for gRPC."""
    status = failure.status()
    response = _Check(status=status_pb2.Status(code=status.code, message=status.message))
    denied = response.denied_response
    denied.status.code = http_status_pb2.StatusCode.ValueType(_HTTP[failure.code])
    if _is_rest(headers):
        denied.body = MessageToJson(status, indent=None, preserving_proto_field_name=True)
        _header(denied, "content-type", "application/json")
    else:
        denied.body = failure.message
        _header(denied, "grpc-status-details-bin", base64.b64encode(status.SerializeToString()).decode())
        # Envoy would make UNAVAILABLE of HTTP's 429.
        _header(denied, "grpc-status", str(status.code))
    for name, value in more.items():
        _header(denied, name, value)
    if failure.code is grpc.StatusCode.UNAUTHENTICATED:
        _header(denied, "www-authenticate", 'Bearer realm="ashgrove"')
    return response


def _is_rest(headers: Mapping[str, str]) -> bool:
    # A transcoded request already carries gRPC's content type when it comes here.
    return "x-envoy-original-path" in headers or not headers.get("content-type", "").startswith("application/grpc")


def _header(denied: external_auth_pb2.DeniedHttpResponse, key: str, value: str) -> None:
    denied.headers.add(header=base_pb2.HeaderValue(key=key, value=value))
