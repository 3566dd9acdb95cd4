"""Templates asked over real HTTP: the very messages that are sent, and how answers are read."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import pytest

from framework.egress.outlet import Outlet
from services.program.lm.engine import ModelSettings, OutputUnparsable
from services.program.lm.parameters import parameters
from services.program.lm.templates import TemplateRunner
from tests.models import ModelServer, Say, model_server

MESSAGES = [
    {"role": "ROLE_SYSTEM", "content": "Be brief. {{instructions}}"},
    {"role": "ROLE_USER", "content": "Text: {{text}} {{tags}}"},
]
ANSWER = [{"name": "answer"}]
SCORED = [{"name": "label", "choices": ["yes", "no"]}, {"name": "score", "type": "TYPE_PROBABILITY"}]


@asynccontextmanager
async def asked(
    outputs: list[dict[str, Any]], configuration: Mapping[str, Any], text: str = "ok"
) -> AsyncIterator[tuple[TemplateRunner, ModelServer]]:
    """Yields a runner and the server that it asks."""
    inputs = [{"name": "text"}, {"name": "tags", "type": "TYPE_STRING_LIST", "optional": True}]
    signature = {"instructions": "Mind the tags.", "inputs": inputs, "outputs": outputs}
    async with model_server() as server, Outlet() as http:
        server.otherwise = Say(text)
        models = ModelSettings(default_model="some-model", base_url=server.url)
        yield TemplateRunner(signature, {"messages": MESSAGES}, parameters({}, configuration), [], models, http), server


async def test_the_messages_are_the_authors_own_with_values_and_demonstrations_in_their_places() -> None:
    """Nothing of DSPy's formats comes into them; what was left out is nothing."""
    shown = {"inputs": {"text": "a", "tags": ["x"]}, "outputs": {"answer": "A"}}
    async with asked(ANSWER, {"demonstrations": [shown], "temperature": 0.5}, " done\n") as (runner, server):
        said = await runner.run({"text": "{{tags}}"})
    (request,) = server.requests
    assert request["messages"] == [
        {"role": "system", "content": "Be brief. Mind the tags."},
        {"role": "user", "content": 'Text: a ["x"]'},
        {"role": "assistant", "content": "A"},
        {"role": "user", "content": "Text: {{tags}} "},
    ]
    assert request["temperature"] == 0.5
    assert said.outputs == {"answer": "done"} and (said.input_tokens, said.output_tokens) == (11, 7)


@pytest.mark.parametrize(
    "text",
    [
        '{"label": "yes", "score": 0.5}',
        'Sure:\n```json\n{"label": "YES", "score": "0.5", "why": "so"}\n```',
        'Sure:\n``` \r\n{"label": "yes", "score": 0.5}\r\n  ```\n```\n{}\n```',
        'I think {"label": "yes", "score": 0.5}, really.',
        "[[ ## label ## ]]\nyes\n\n[[ ## score ## ]]\n0.5\n\n[[ ## completed ## ]]",
    ],
)
async def test_several_outputs_are_read_from_an_object_or_from_marked_fields(text: str) -> None:
    """Whatever stands around it."""
    async with asked(SCORED, {}, text) as (runner, _):
        assert (await runner.run({"text": "a"})).outputs == {"label": "yes", "score": 0.5}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no idea", "outputs.label is missing"),
        ('{"label": "maybe", "score": 2}', "outputs.label must be one of .*; outputs.score must be at most 1"),
        ("{" * 5000, "outputs.label is missing"),
        ("```" + "\n" * 100_000, "outputs.label is missing"),
        ("```\n no " * 20_000, "outputs.label is missing"),
    ],
)
async def test_an_answer_that_does_not_fit_is_told_whole_and_paid_for(text: str, told: str) -> None:
    """Every violation with its path."""
    async with asked(SCORED, {}, text) as (runner, _):
        with pytest.raises(OutputUnparsable, match=told) as unread:
            await runner.run({"text": "a"})
    assert unread.value.charged is not None and unread.value.charged.output_tokens == 7
