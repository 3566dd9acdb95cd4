"""The model server that other tests trust does what its script says."""

import asyncio
from contextlib import suppress

import httpx
import pytest

from tests.models import Cut, ModelServer, Reply, Say, Stall

ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def test_it_says_fails_and_cuts_as_scripted(models: ModelServer) -> None:
    """One step per request, in order, then the usual answer."""
    models.script = [Say("a", usage=None), Reply(429, headers={"retry-after": "3"}), Reply(200, "{"), Cut()]
    async with httpx.AsyncClient(base_url=models.url) as http:
        first = (await http.post("chat/completions", json=ASK)).json()
        assert first["choices"][0]["message"]["content"] == "a" and "usage" not in first
        limited = await http.post("chat/completions", json=ASK)
        assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
        assert (await http.post("chat/completions", json=ASK)).text == "{"
        with pytest.raises(httpx.RemoteProtocolError):
            await http.post("chat/completions", json=ASK)
        assert (await http.post("chat/completions", json=ASK)).json()["usage"]["prompt_tokens"] == 11
        vectors = (await http.post("embeddings", json={"model": "e", "input": ["a", "b"]})).json()
    assert len(vectors["data"]) == 2 and len(models.requests) == 6


async def test_it_streams_and_sees_callers_leave(models: ModelServer) -> None:
    """A stream ends with its usage when asked for; a stalled one knows that nobody waits any more."""
    models.script = [Say("abcdef"), Stall(after=1)]
    ask = ASK | {"stream": True, "stream_options": {"include_usage": True}}
    async with httpx.AsyncClient(base_url=models.url) as http:
        async with http.stream("POST", "chat/completions", json=ask) as answer:
            lines = [line async for line in answer.aiter_lines() if line]
        assert len(lines) == 6 and '"usage"' in lines[-2] and lines[-1] == "data: [DONE]"
        async with http.stream("POST", "chat/completions", json=ask) as answer:
            await anext(answer.aiter_lines())  # and no second one comes
    while not models.left:  # noqa: ASYNC110 - the server learns of it in its own time
        await asyncio.sleep(0.01)
    assert models.running == 0


async def test_a_channel_that_looks_for_another_server_is_no_request(models: ModelServer) -> None:
    """GRPC goes on looking where a server was, and now and then this one has its port."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(models.url.rpartition(":")[2].partition("/")[0]))
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    assert not models.requests and not models.arrived.is_set()
