"""Speaks to an OpenAI-compatible endpoint over HTTP: whole answers, or word by word."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from domain.pricing import Usage, believed
from framework.egress.calls import Call, NotAnsweredInTime, NotReached, NotReachedInTime, OutletError, Said
from services.program.connectors.answer import Answer, sound
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import (
    AnswerLost,
    AuthRefused,
    ModelFault,
    ModelRefused,
    ModelUnavailable,
    NoCompletion,
    RateLimited,
    TimedOut,
)

if TYPE_CHECKING:
    from framework.egress.outlet import Outlet

OnText = Callable[[str], Awaitable[None]]
_LONGEST_WAIT = 60.0


async def chat(
    http: "Outlet",
    endpoint: Endpoint,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    on_text: OnText | None,
) -> Answer:
    """Asks for a completion; `on_text` is told every piece of text as it comes, from endpoints that can stream."""
    if on_text is None or not endpoint.streams:
        said = await _said(http, _call(endpoint, "chat/completions", headers, body), endpoint)
        _refuse(said, endpoint.name)
        return whole(said.content, endpoint.name)
    streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
    with _worded(endpoint):
        async with http.lines(_call(endpoint, "chat/completions", headers, streamed)) as (said, lines):
            _refuse(said, endpoint.name)
            return await gathered(lines, endpoint.name, on_text)


async def reachable(http: "Outlet", endpoint: Endpoint, headers: Mapping[str, str]) -> None:
    """Asks for the list of models, which costs nothing; raises a ModelFault unless it answers as it should."""
    try:
        said = await http.call(_call(endpoint, "models", headers))
    except OutletError as error:
        raise ModelUnavailable(f"{endpoint.name} cannot be reached") from error
    if said.status not in (404, 405):  # many serve no such list
        _refuse(said, endpoint.name)


def _call(endpoint: Endpoint, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None) -> Call:
    url = f"{endpoint.base_url.rstrip('/')}/{path}"
    content = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    told = headers if body is None else {"content-type": "application/json", **headers}
    return Call(url, told, content, endpoint.connect_seconds, endpoint.read_seconds)


async def _said(http: "Outlet", call: Call, endpoint: Endpoint) -> Said:
    with _worded(endpoint):
        return await http.call(call)


@contextmanager
def _worded(endpoint: Endpoint) -> Iterator[None]:
    """Has what goes wrong on the way told as a ModelFault."""
    try:
        yield
    except NotReachedInTime as error:
        raise ModelUnavailable(f"{endpoint.name} does not let us connect within its time") from error
    except NotAnsweredInTime as error:
        raise TimedOut(f"{endpoint.name} did not answer within {endpoint.read_seconds:g} s") from error
    except NotReached as error:
        raise ModelUnavailable(f"{endpoint.name} cannot be reached") from error
    except OutletError as error:
        raise AnswerLost(f"the connection to {endpoint.name} broke") from error


def _refuse(said: Said, name: str) -> None:
    """Raises what a status means."""
    if said.status >= 400:
        raise refusal(said.status, said.headers, name)


def refusal(status: int, headers: Mapping[str, str], name: str) -> ModelFault:
    """Returns what a status means; bodies of errors may hold anything, and are told to nobody."""
    if status in (401, 403):
        return AuthRefused(f"{name} does not accept its key ({status})")
    if status == 429:
        return _limited(RateLimited(f"{name} wants to be asked less (429)"), headers)
    if status in (408, 409, 425) or status >= 500:
        return _limited(ModelUnavailable(f"{name} answers {status}"), headers)
    return ModelRefused(f"{name} refused the request with {status}")


def _limited(fault: ModelUnavailable, headers: Mapping[str, str]) -> ModelUnavailable:
    with suppress(KeyError, ValueError):
        fault.retry_after = min(_LONGEST_WAIT, max(0.0, float(headers["retry-after"])))
    return fault


def whole(content: bytes, name: str) -> Answer:
    """Returns a completion that came in one piece; raises a ModelFault for what is none."""
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:  # a proxy's page, for one
        raise AnswerLost(f"{name} answers something that is not JSON") from error
    try:
        choice = data["choices"][0]
        message = choice["message"]
        return Answer(
            sound(str(message.get("content") or "")),
            usage_of(data.get("usage")),
            str(choice.get("finish_reason") or "stop"),
            tuple(message.get("tool_calls") or ()),
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise NoCompletion(f"{name} answers in a shape that is not OpenAI's") from error


def usage_of(said: Any) -> Usage | None:
    """Returns what an endpoint says that a call took; None where it says nothing of use."""
    if not isinstance(said, Mapping):
        return None
    details = said.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
    return believed(said.get("prompt_tokens"), said.get("completion_tokens"), cached)


async def gathered(lines: AsyncIterator[str], name: str, on_text: OnText) -> Answer:
    """Returns the answer that a stream tells, and tells each piece of it as it comes."""
    texts, usage, reason, ended = [], None, "", False
    async for event in _events(lines, name):
        if event is None:
            ended = True
            break
        usage = usage_of(event.get("usage")) or usage
        pieces, told = _pieces(event, name)
        reason = told or reason
        for piece in pieces:
            texts.append(piece)
            await on_text(piece)
    if not ended and not reason:
        raise AnswerLost(f"the connection to {name} broke in the middle of an answer")
    return Answer("".join(texts), usage, reason or "stop")


def _pieces(event: Mapping[str, Any], name: str) -> tuple[list[str], str]:
    """Returns the words of an event and why the answer ends, if it does; raises NoCompletion for another shape."""
    try:
        choices = event.get("choices") or ()
        words = [(choice.get("delta") or {}).get("content") for choice in choices]
        reasons = [choice.get("finish_reason") for choice in choices]
    except (TypeError, AttributeError) as error:
        raise NoCompletion(f"{name} streams in a shape that is not OpenAI's") from error
    return [sound(str(word)) for word in words if word], next((str(each) for each in reasons if each), "")


async def _events(lines: AsyncIterator[str], name: str) -> AsyncIterator[dict[str, Any] | None]:
    """Yields the events of a stream, None for its end."""
    async for line in lines:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            yield None
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise AnswerLost(f"{name} streams something that is no completion") from error
        if isinstance(event, dict):
            yield event
