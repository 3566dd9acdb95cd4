"""Spans of programs and model calls go on with the caller's trace, say what GenAI's conventions name, and no texts."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from framework.telemetry import Span, span
from framework.testing.spans import recorded
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.connecting import SECRET, SV, connected, connector, create_connector, execute
from tests.integration.program.making import create_dataset, create_program, evaluated, evaluation, working
from tests.models import ModelServer, Reply, Say

TOLD = "hav och fjäll"
"""What `execute` asks about: a canary, once it must not be told."""


@pytest.fixture
async def connecting(bench: Workbench, workshop: Workshop, tmp_path: Path) -> AsyncIterator[Workshop]:
    """A workshop with a worker that asks connectors."""
    async with connected(bench, workshop, tmp_path) as made, working(made):
        yield made


async def run(bench: Workbench, models: ModelServer, **fields: Any) -> tuple[Span, list[Span], Any]:
    """Runs a program inside a caller's span; returns that, those below it in the order of their ends, and the run."""
    await create_connector(bench, connector(models))
    program = await create_program(bench, **fields)
    with recorded() as kept:
        with span("caller") as caller:
            done = await execute(bench, program, model="fast", max_tokens=9, temperature=0.5)
        while not any(each.name == "execution" for each in kept):  # noqa: ASYNC110 - the worker ends it in its own time
            await asyncio.sleep(0.01)
    return caller, [each for each in kept if each.trace_id == caller.trace_id and each.name.split()[0] in SPANS], done


SPANS = ("chat", "invoke_agent", "execution")


async def test_a_model_call_is_a_span_below_its_program_in_the_trace_of_who_asked(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    models.otherwise = Say(SV, usage={"prompt_tokens": 100, "completion_tokens": 7})
    _, (chat, agent, execution), done = await run(bench, models)
    assert done.outputs["language"] == "sv"
    assert (chat.parent, agent.parent) == (agent.id, execution.id)
    assert execution.parent != "", "it goes on from the call that asked"
    assert (chat.name, chat.kind) == ("chat m1", "CLIENT")
    port = int(models.url.rpartition(":")[2].partition("/")[0])
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "m1",
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.top_p": 1.0,
        "gen_ai.request.seed": 0,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 0,
        "server.address": "127.0.0.1",
        "server.port": port,
        "ashgrove.connector": "fast",
        "ashgrove.purpose": "PROGRAM",
    }
    assert agent.attributes["gen_ai.operation.name"] == "invoke_agent"
    assert (agent.attributes["gen_ai.agent.id"], agent.attributes["gen_ai.agent.version"]) == (done.program_id, "1")


async def test_no_prompt_answer_or_key_is_in_a_span(
    bench: Workbench, connecting: Workshop, models: ModelServer
) -> None:
    """Neither what is asked nor what is answered, not even by a model that fails with it."""
    models.script = [Reply(500, body=f'{{"error": "{TOLD} {SECRET}"}}'), Say(SV)]
    _, spans, done = await run(bench, models, description="canary-of-a-description")
    everything = repr([(each.name, each.attributes) for each in spans])
    assert done.outputs["language"] == "sv" and [each.name for each in spans].count("chat m1") == 2
    for canary in (TOLD, "fjäll", "[[ ##", SECRET, "canary-of"):
        assert canary not in everything
    assert spans[0].failed and spans[0].attributes["error.type"] == "ModelUnavailable"


async def test_prompts_are_told_where_the_operator_says_so(
    bench: Workbench, workshop: Workshop, models: ModelServer, tmp_path: Path
) -> None:
    """Then the whole of them, and the answer; the key never."""
    models.otherwise = Say(SV)
    async with connected(bench, workshop, tmp_path) as made:
        assert made.desk is not None
        made.desk._texts = True
        async with working(made):
            _, (chat, *_), _ = await run(bench, models)
    asked, answered = chat.attributes["gen_ai.input.messages"], chat.attributes["gen_ai.output.messages"]
    assert TOLD in str(asked) and len(str(asked)) > 256 and SV.splitlines()[1] in str(answered)
    assert SECRET not in repr(chat.attributes)


async def test_the_local_model_is_told_of_alike_and_evaluations_go_on_in_their_trace(
    bench: Workbench, workshop: Workshop
) -> None:
    program, dataset = await create_program(bench), await create_dataset(bench, 8, 2)
    async with working(replace(workshop, at_once=1)):
        with recorded() as kept, span("caller") as caller:
            await evaluated(bench, evaluation(program, dataset))
    chats = [each for each in kept if each.name == "chat local/nearest-demo"]
    assert chats and {each.trace_id for each in chats} == {caller.trace_id}
    assert chats[0].attributes["gen_ai.usage.input_tokens"] and "server.address" not in chats[0].attributes
    names = {each.id: each.name for each in kept}
    assert {names[each.parent] for each in chats} == {f"invoke_agent {program.name}"}
