"""What endpoints answer that is in nobody's shape: a fault of the model's, whichever way it is wrong."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from domain.pricing import MOST_TOKENS, Usage
from services.program.connectors import foreign, native
from services.program.connectors.answer import Answer
from services.program.connectors.faults import AnswerLost, NoCompletion

ENDED = {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}]}
DEEP = "[" * 100_000


async def streamed(*events: Any) -> Answer:
    """What is made of a stream of events."""

    async def lines() -> AsyncIterator[str]:
        for each in events:
            yield f"data: {each if isinstance(each, str) else json.dumps(each)}"

    async def heard(text: str) -> None:
        assert text

    return await native.gathered(lines(), "m", heard)


@pytest.mark.parametrize("event", [
    {"choices": 5}, {"choices": [1]}, {"choices": [{"delta": "abc"}]}, {"choices": [None]}, {"choices": {"a": 1}}
])  # fmt: skip
async def test_a_stream_in_another_shape_is_no_completion(event: Any) -> None:
    """Wherever in it the shape is another."""
    with pytest.raises(NoCompletion, match="streams in a shape that is not OpenAI's"):
        await streamed(event, ENDED)


async def test_what_is_nested_beyond_reading_is_lost() -> None:
    """In a stream and as a whole."""
    with pytest.raises(AnswerLost):
        await streamed(DEEP)
    with pytest.raises(AnswerLost):
        native.whole(DEEP.encode(), "m")


@pytest.mark.parametrize("usage", [
    "much", [1], {}, {"prompt_tokens": 1}, {"prompt_tokens": True, "completion_tokens": 1},
    {"prompt_tokens": -1, "completion_tokens": 1}, {"prompt_tokens": 1.5, "completion_tokens": 1},
    {"prompt_tokens": 10**30, "completion_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": MOST_TOKENS + 1},
])  # fmt: skip
async def test_a_usage_that_cannot_be_is_none(usage: Any) -> None:
    """The call is estimated then, as one that tells none."""
    assert (await streamed(ENDED | {"usage": usage})).usage is None
    whole = {"choices": [{"message": {"content": "x"}}], "usage": usage}
    assert native.whole(json.dumps(whole).encode(), "m").usage is None


@pytest.mark.parametrize(
    "details", ["abc", 7, {"cached_tokens": -5}, {"cached_tokens": 10**30}, {"cached_tokens": "1"}]
)
async def test_cached_tokens_that_cannot_be_are_none(details: Any) -> None:
    """Nothing is cheaper then: no price is taken of less than nothing."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": details}
    assert (await streamed(ENDED | {"usage": usage})).usage == Usage(3, 2)


def test_another_provider_that_answers_nothing_is_no_completion() -> None:
    """LiteLLM hands on what came."""
    with pytest.raises(NoCompletion):
        foreign.answer_of(SimpleNamespace(choices=[]), "m")
    said = SimpleNamespace(message=SimpleNamespace(content="x"), finish_reason=None)
    took = SimpleNamespace(prompt_tokens=10**30, completion_tokens=1)
    assert foreign.answer_of(SimpleNamespace(choices=[said], usage=took), "m") == Answer("x", None)


async def test_halves_of_surrogate_pairs_are_no_text() -> None:
    """JSON can spell them; neither could such an answer be kept, nor told to a model again. Whole pairs are letters."""
    said = {"content": "a\ud800b \U0001f600"}
    assert native.whole(json.dumps({"choices": [{"message": said}]}).encode(), "m").text == "a\ufffdb \U0001f600"
    event = {"choices": [{"delta": {"content": "a\udc00"}, "finish_reason": "stop"}]}
    assert (await streamed(event)).text == "a\ufffd"
