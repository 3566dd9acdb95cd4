"""Speaks to every other provider through LiteLLM, which takes seconds to import: in workers only, at the first call."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from domain.pricing import believed
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import (
    AnswerLost,
    AuthRefused,
    ModelRefused,
    ModelUnavailable,
    NoCompletion,
    RateLimited,
    TimedOut,
)


async def chat(
    http: httpx.AsyncClient, endpoint: Endpoint, key: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> Answer:
    """Asks for a completion; never again by itself, because every call is counted and paid."""
    litellm = await asyncio.to_thread(_litellm)
    asked = {name: value for name, value in body.items() if name not in ("model", "max_completion_tokens")}
    asked["max_tokens"] = body.get("max_tokens") or body.get("max_completion_tokens")
    try:
        said = await litellm.acompletion(
            model=f"{endpoint.provider}/{endpoint.model}",
            api_key=key or None,
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
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    # For providers that it asks by OpenAI's own library.
    litellm.aclient_session = http
    made = AsyncHTTPHandler.__new__(AsyncHTTPHandler)
    made.timeout, made.event_hooks, made.client, made.client_alias = None, None, http, None
    return made


def _fault(litellm: Any, error: Exception, name: str) -> Exception:
    kinds: list[tuple[str, type[ModelUnavailable] | type[ModelRefused], str]] = [
        ("AuthenticationError", AuthRefused, "does not accept its key"),
        ("PermissionDeniedError", AuthRefused, "does not accept its key"),
        ("RateLimitError", RateLimited, "wants to be asked less"),
        ("Timeout", TimedOut, "did not answer within its time"),
        ("APIConnectionError", ModelUnavailable, "cannot be reached"),
        ("ServiceUnavailableError", ModelUnavailable, "does not answer"),
        ("InternalServerError", ModelUnavailable, "does not answer"),
        ("BadRequestError", ModelRefused, "refused the request"),
        ("NotFoundError", ModelRefused, "knows no such model"),
    ]
    for kind, fault, words in kinds:
        known = getattr(litellm, kind, None)
        if known is not None and isinstance(error, known):
            return fault(f"{name} {words}")
    return AnswerLost(f"{name} failed in a way that its provider does not explain ({type(error).__name__})")


def answer_of(said: Any, name: str) -> Answer:
    """Returns what LiteLLM made of a completion; raises NoCompletion where there is none in it."""
    if not said.choices:
        raise NoCompletion(f"{name} answers without a completion")
    choice, usage = said.choices[0], getattr(said, "usage", None)
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", 0)
    took = None if usage is None else believed(usage.prompt_tokens or 0, usage.completion_tokens or 0, cached)
    return Answer(choice.message.content or "", took, choice.finish_reason or "stop")
