"""Providers that are not OpenAI-compatible by name are asked through LiteLLM, over the client that keeps to egress."""

import os

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import pytest

from domain.pricing import Usage
from framework.identifiers import new_id
from services.program.connectors import foreign
from services.program.connectors.endpoint import Endpoint
from services.program.connectors.faults import AuthRefused, ModelUnavailable, RateLimited
from tests.integration.program.making import outside
from tests.models import ModelServer, Reply, Say

BODY = {"model": "m1", "messages": [{"role": "user", "content": "hi"}], "seed": 1, "max_tokens": 5}


async def test_they_are_asked_once_and_only_where_calls_may_go(models: ModelServer) -> None:
    """Key, headers and bound travel; what fails is told apart, tried again by nobody, and never elsewhere."""
    where = Endpoint(new_id(), new_id(), "x", "mistral", models.url, "m1")
    models.script = [Say("hello"), Reply(401), Reply(429), Reply(500)]
    async with outside(egress_allow=("127.0.0.1",))[0].client() as http:
        said = await foreign.chat(http, where, "k1", {"x-team": "a"}, BODY)
        for fault in (AuthRefused, RateLimited, ModelUnavailable):
            with pytest.raises(fault) as refused:
                await foreign.chat(http, where, "k1", {}, BODY)
            assert "k1" not in str(refused.value)
    assert (said.text, said.usage) == ("hello", Usage(11, 7)) and len(models.requests) == 4
    first = models.requests[0]
    assert (first["max_tokens"], first["_headers"]["x-team"]) == (5, "a")
    assert first["_headers"]["authorization"] == "Bearer k1"
    async with outside()[0].client() as http:
        with pytest.raises(ModelUnavailable):
            await foreign.chat(http, where, "k1", {}, BODY)
    assert len(models.requests) == 4
