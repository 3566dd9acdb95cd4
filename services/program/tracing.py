"""Spans by OpenTelemetry's GenAI conventions: of model calls, programs and tools; no texts unless a setting says so."""

import json
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from framework.telemetry import CLIENT, CONSUMER, NOTHING, Span, continuing, span
from services.program.metering.work import current_work

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ashgrove.program.v1 import program_pb2

    from services.program.connectors.answer import Answer
    from services.program.connectors.endpoint import Endpoint

_ASKED = ("max_tokens", "temperature", "top_p", "seed")
_LONGEST = 100_000
"""How much of a prompt or an answer is told where they are told at all."""


def asking(endpoint: "Endpoint", body: Mapping[str, Any], *, texts: bool, purpose: str = "") -> Span:
    """Returns the span of one call of a model; `texts` has it tell the messages, too."""
    made = span(f"chat {endpoint.model}", kind=CLIENT)
    if made is NOTHING:
        return made
    told: dict[str, object] = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": endpoint.provider}
    told |= {"gen_ai.request.model": endpoint.model, "ashgrove.connector": endpoint.name}
    told |= {f"gen_ai.request.{name}": body[name] for name in _ASKED if body.get(name) is not None}
    told |= _address(endpoint.base_url) | ({"ashgrove.purpose": purpose} if purpose else {})
    for key, value in told.items():
        made.set(key, value)
    if texts:
        _tell(made, "gen_ai.input.messages", body.get("messages", []))
    return made


def embedding(model: str, base_url: str, count: int) -> Span:
    """Returns the span of one call for vectors of texts."""
    told = {"gen_ai.operation.name": "embeddings", "gen_ai.provider.name": "openai", "gen_ai.request.model": model}
    return span(f"embeddings {model}", told | {"ashgrove.texts": count} | _address(base_url), kind=CLIENT)


def told_by(made: Span, answer: "Answer", *, texts: bool) -> "Answer":
    """Tells what a call took, and how it ended; returns the answer."""
    made.set("gen_ai.response.finish_reasons", (answer.finish_reason,))
    if answer.usage is not None:
        made.set("gen_ai.usage.input_tokens", answer.usage.input_tokens)
        made.set("gen_ai.usage.output_tokens", answer.usage.output_tokens)
        made.set("gen_ai.usage.cache_read.input_tokens", answer.usage.cached_input_tokens)
    if texts:
        said = {"role": "assistant", "content": answer.text, "tool_calls": list(answer.tool_calls)}
        _tell(made, "gen_ai.output.messages", [{k: v for k, v in said.items() if v}])
    return answer


def running(program: "program_pb2.Program") -> Span:
    """Returns the span of one run of a program."""
    told = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": program.name}
    if program.id:
        told |= {"gen_ai.agent.id": program.id, "gen_ai.agent.version": str(program.revision)}
    return span(f"invoke_agent {program.name}", told)


def using(tool: str, kind: str) -> Span:
    """Returns the span of one use of a tool; what it is told and answers is in none."""
    told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.tool.type": kind}
    return span(f"execute_tool {tool}", told)


@contextmanager
def working(name: str, row: Mapping[str, Any]) -> "Iterator[Span]":
    """Goes on with the trace of the call that asked for a piece of work, whenever and wherever it is done."""
    told = {"ashgrove.organization.id": row["organization_id"], "ashgrove.work.id": row["id"]}
    told["ashgrove.request.id"] = row["request_id"]
    with continuing(name, row["traceparent"], told, kind=CONSUMER) as made:
        yield made


def _address(base_url: str) -> dict[str, object]:
    address = urlsplit(base_url)
    named = {"server.address": address.hostname, "server.port": address.port}
    return {key: value for key, value in named.items() if value}


def _tell(made: Span, key: str, messages: Any) -> None:
    work = current_work()
    if work is not None and work.private:
        return
    made.set(key, json.dumps(messages, ensure_ascii=False), longest=_LONGEST)
