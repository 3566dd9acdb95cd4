"""What may be written about a connector: an address that may be asked, no credential in the open, prices in order."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from ashgrove.program.v1 import connector_pb2

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from services.program.connectors.providers import FOREIGN, NATIVE, REMEDY

REFERENCE = "secret://"
_CARRIES = ("authorization", "key", "token", "secret", "cookie", "password", "credential")
_OURS = (
    *("host", "content-length", "content-type", "content-encoding", "accept-encoding"),
    *("connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer", "upgrade", "expect"),
)
"""What says how a request and its answer travel: `expect`, for one, would wait for a word that few endpoints say."""
_PATH = "connector"


def refuse(call: Call, new: connector_pb2.Connector, old: connector_pb2.Connector | None) -> None:
    """Raises InvalidFields naming everything that is wrong with a connector."""
    faults = [*_endpoint_faults(new), *_header_faults(new.headers), *_price_faults(new)]
    if call.application is not None and not faults:
        faults += _outside_faults(call, new, old)
    if faults:
        raise InvalidFields(*faults)


def _outside_faults(
    call: Call, new: connector_pb2.Connector, old: connector_pb2.Connector | None
) -> Iterator[FieldViolation]:
    """Yields what may not be called, and secrets that may not be used; what stands is judged at each call."""
    egress, secrets = call.application.egress, call.application.secrets
    tries: list[Callable[[], Any]] = []
    if new.base_url and (old is None or old.base_url != new.base_url):
        tries.append(lambda: egress.check(new.base_url, f"{_PATH}.base_url"))
    for path, value in references(new):
        if old is None or value not in {v for _, v in references(old)}:
            tries.append(partial(secrets.resolve, call.context.organization_id, value, path))
    for attempt in tries:
        try:
            attempt()
        except InvalidFields as refused:
            yield from refused.violations


def references(connector: connector_pb2.Connector) -> Iterator[tuple[str, str]]:
    """Yields the secrets that a connector refers to, with the paths where it does."""
    if connector.secret:
        yield f"{_PATH}.secret", connector.secret
    for name, value in connector.headers.items():
        if value.startswith(REFERENCE):
            yield f"{_PATH}.headers[{name}]", value


def _endpoint_faults(connector: connector_pb2.Connector) -> Iterator[FieldViolation]:
    if connector.provider not in (NATIVE, *FOREIGN):
        yield FieldViolation(f"{_PATH}.provider", REMEDY)
    if connector.provider == NATIVE and not connector.base_url:
        yield FieldViolation(f"{_PATH}.base_url", "is required for openai, such as https://models.example/v1")
    if connector.base_url and not connector.base_url.startswith(("https://", "http://")):
        yield FieldViolation(f"{_PATH}.base_url", "must begin with https://")
    if set(connector.base_url) & set("?#"):
        yield FieldViolation(
            f"{_PATH}.base_url", "must end with its path: what is asked follows it, and keys are secrets"
        )


def _header_faults(headers: Mapping[str, str]) -> Iterator[FieldViolation]:
    for name, value in headers.items():
        path, low = f"{_PATH}.headers[{name}]", name.lower()
        if low in _OURS:
            yield FieldViolation(path, "is the platform's own to send; leave it out")
        elif any(word in low for word in _CARRIES) and not value.startswith(REFERENCE):
            yield FieldViolation(path, "carries a credential: name one as secret://NAMESPACE/NAME")


def _price_faults(connector: connector_pb2.Connector) -> Iterator[FieldViolation]:
    for i, price in enumerate(connector.prices):
        path = f"{_PATH}.prices[{i}]"
        bounded = price.HasField("from") and price.HasField("until")
        if bounded and getattr(price, "from").ToNanoseconds() >= price.until.ToNanoseconds():
            yield FieldViolation(f"{path}.until", "must be later than its from")
    if connector.limits.HasField("spend_micros_per_month") and not any(_whole(price) for price in connector.prices):
        yield FieldViolation(
            f"{_PATH}.prices", "a limit of spending takes a price for input and output; without one nothing could run"
        )


def _whole(price: connector_pb2.ModelPrice) -> bool:
    return price.HasField("input_micros") and price.HasField("output_micros")
