"""Speaks to every other provider through LiteLLM, which takes seconds to import: in workers only, at the first call."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import httpx

from domain.pricing import believed
from framework.egress import EgressRefused
from services.program.connectors.answer import Answer, sound
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import (
    AnswerLost,
    AuthRefused,
    ModelRefused,
    ModelUnavailable,
    NoCompletion,
    TimedOut,
)
from services.program.connectors.native import refusal
from services.program.connectors.providers import FOREIGN, REMEDY

NO_KEY = "none"
"""What is sent where there is no key: told of none, LiteLLM would look for the operator's in the environment."""


async def chat(
    http: httpx.AsyncClient, endpoint: Endpoint, key: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> Answer:
    """Asks for a completion; never again by itself, because every call is counted and paid.

    Raises EgressRefused where the call would leave the rules.
    """
    if endpoint.provider not in FOREIGN:
        raise ModelRefused(f"the provider of {endpoint.name} {REMEDY}")
    litellm = await asyncio.to_thread(_litellm)
    asked = {name: value for name, value in body.items() if name not in ("model", "max_completion_tokens")}
    asked["max_tokens"] = body.get("max_tokens") or body.get("max_completion_tokens")
    try:
        said = await litellm.acompletion(
            model=f"{endpoint.provider}/{endpoint.model}",
            api_key=key or NO_KEY,
            api_base=endpoint.base_url or None,
            extra_headers=dict(headers),
            timeout=endpoint.read_seconds,
            num_retries=0,
            max_retries=0,
            drop_params=True,  # not every provider takes a seed
            client=_client(litellm, http),
            **asked,
        )
    except Exception as error:
        raise _fault(litellm, error, endpoint.name) from None  # its words may hold the request, and its headers
    return answer_of(said, endpoint.name)


def _litellm() -> Any:
    import litellm  # heavy, and only who asks through it needs it

    # Nothing is told to anybody, printed, or fetched.
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    return litellm


def _client(litellm: Any, http: httpx.AsyncClient) -> Any:
    """Returns LiteLLM's own kind of client over ours, which keeps to the egress policy."""
    # For providers that it asks by OpenAI's own library.
    litellm.aclient_session = http
    made = _handler_class().__new__(_handler_class())
    made.timeout, made.event_hooks, made.client, made.client_alias = None, None, http, None
    return made


@cache
def _handler_class() -> Any:
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    class Once(AsyncHTTPHandler):
        def create_client(self, *_: Any, **__: Any) -> httpx.AsyncClient:
            # It would ask once more, by a client that keeps to no policy, where a connection broke.
            raise RuntimeError("a call is made once, by the client that it was given")

    return Once


def _fault(litellm: Any, error: Exception, name: str) -> Exception:
    """Returns what an error of LiteLLM's means; what caused it says more than its kind, which is often a guess."""
    for cause in _causes(error):
        if isinstance(cause, EgressRefused):
            return cause
        if isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout):
            return ModelUnavailable(f"{name} cannot be reached")
        if isinstance(cause, httpx.TimeoutException):
            return TimedOut(f"{name} did not answer within its time")
        if isinstance(cause, httpx.TransportError):
            return AnswerLost(f"the connection to {name} broke")
        if isinstance(cause, httpx.HTTPStatusError):
            return refusal(cause.response.status_code, cause.response.headers, name)
    if isinstance(error, litellm.AuthenticationError):
        return AuthRefused(f"{name} does not accept its key")
    if isinstance(error, litellm.BadRequestError):
        return ModelRefused(f"{name} takes no such request ({type(error).__name__})")
    return AnswerLost(f"{name} answers something that its provider's library cannot read ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what led to it, the first cause last."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        yield cause
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__


def answer_of(said: Any, name: str) -> Answer:
    """Returns what LiteLLM made of a completion; raises NoCompletion where there is none in it."""
    if not said.choices:
        raise NoCompletion(f"{name} answers without a completion")
    choice, usage = said.choices[0], getattr(said, "usage", None)
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", 0)
    took = None if usage is None else believed(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached)
    return Answer(sound(choice.message.content or ""), took, choice.finish_reason or "stop")
