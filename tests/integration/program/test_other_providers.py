"""Providers that are not OpenAI-compatible by name are asked through LiteLLM, over the client that keeps to egress."""

import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import pytest

from domain.pricing import Usage
from framework.egress import EgressRefused
from framework.identifiers import new_id
from services.program.connectors import foreign
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import (
    AnswerLost,
    AuthRefused,
    ModelFault,
    ModelRefused,
    ModelUnavailable,
    RateLimited,
)
from services.program.connectors.providers import FOREIGN
from tests.integration.program.making import outside
from tests.models import Cut, ModelServer, Reply, Say

BODY = {"model": "m1", "messages": [{"role": "user", "content": "hi"}], "seed": 1, "max_tokens": 5}
CANARY = "the-operators-own"
KEYS = ("ANTHROPIC", "CO", "COHERE", "DEEPSEEK", "FIREWORKS", "FIREWORKS_AI", "FIREWORKSAI", "GEMINI", "GOOGLE")
KEYS += ("GROQ", "MISTRAL", "OPENAI", "OPENROUTER", "OR", "TOGETHER", "TOGETHER_AI", "TOGETHERAI", "XAI")


def endpoint(url: str, provider: str = "mistral") -> Endpoint:
    """A connector to another provider."""
    return Endpoint(new_id(), new_id(), "x", provider, url, "m1")


async def test_they_are_asked_once_and_only_where_calls_may_go(models: ModelServer) -> None:
    """Key, headers and bound travel; what fails is told apart, tried again by nobody, and never elsewhere."""
    where = endpoint(models.url)
    away = {"location": "http://169.254.169.254/"}
    faults = [
        (Reply(401), AuthRefused),
        (Reply(429, headers={"retry-after": "3"}), RateLimited),
        (Reply(500), ModelUnavailable),
        (Reply(502), ModelUnavailable),
        (Reply(400), ModelRefused),
        (Cut(), AnswerLost),
        (Reply(200, "<html>"), AnswerLost),
        (Reply(200, "{}"), AnswerLost),
        (Reply(302, headers=away), EgressRefused),
    ]
    models.script = [Say("hello"), *(step for step, _ in faults)]
    async with outside(egress_allow=("127.0.0.1",))[0].client() as http:
        said = await foreign.chat(http, where, "k1", {"x-team": "a"}, BODY)
        for _, fault in faults:
            with pytest.raises(fault) as refused:
                await foreign.chat(http, where, "k1", {}, BODY)
            assert type(refused.value) is fault and "k1" not in str(refused.value)
        with pytest.raises(ModelUnavailable, match="cannot be reached"):
            await foreign.chat(http, endpoint("http://127.0.0.1:1/v1"), "k1", {}, BODY)
    assert (said.text, said.usage) == ("hello", Usage(11, 7)) and len(models.requests) == 1 + len(faults)
    first = models.requests[0]
    assert (first["max_tokens"], first["_headers"]["x-team"]) == (5, "a")
    assert first["_headers"]["authorization"] == "Bearer k1"
    async with outside()[0].client() as http:
        with pytest.raises(EgressRefused):
            await foreign.chat(http, where, "k1", {}, BODY)
    assert len(models.requests) == 1 + len(faults)


@pytest.mark.filterwarnings("ignore")  # of its own code LiteLLM warns by some of them
@pytest.mark.parametrize("key", ["k1", ""])
async def test_none_of_them_finds_a_credential_by_itself(
    models: ModelServer, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Each is asked once, with the key of its connector or none, whatever the operator's environment holds."""
    for name in KEYS:
        monkeypatch.setenv(f"{name}_API_KEY", CANARY)
        monkeypatch.setenv(f"{name}_TOKEN", CANARY)
    models.otherwise = Reply(400)
    async with outside(egress_allow=("127.0.0.1",))[0].client() as http:
        for asked, provider in enumerate(FOREIGN):
            with pytest.raises(ModelFault) as refused:
                await foreign.chat(http, endpoint(models.url, provider), key, {}, BODY)
            assert len(models.requests) == asked + 1, f"{provider}: {refused.value}"
    for request in models.requests:
        assert CANARY not in str(request) and (key or foreign.NO_KEY) in str(request["_headers"])


async def test_those_that_would_are_not_asked(models: ModelServer) -> None:
    """Bedrock takes the credentials of the machine that it is asked from."""
    async with outside(egress_allow=("127.0.0.1",))[0].client() as http:
        with pytest.raises(ModelRefused, match="must be openai"):
            await foreign.chat(http, endpoint(models.url, "bedrock"), "", {}, BODY)
    assert not models.requests
