"""The server: chat completions, streamed or not, and embeddings, over HTTP/1.1 on a free port."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.models.script import Cut, Reply, Say, Stall, Step

Answers = Callable[[dict[str, Any]], Step]


@dataclass
class ModelServer:
    """One server: set `script` (a step per request, then `otherwise`), read `requests`, `running` and `most`."""

    script: list[Step] = field(default_factory=list)
    otherwise: Step | Answers = field(default_factory=Say)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """Bodies as they came, each with its `_path` and `_headers`."""
    running: int = 0
    most: int = 0
    """The most requests that ran at once."""
    left: int = 0
    """How many callers went away before they were answered."""
    url: str = ""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by every request that arrives: a test clears it, and waits."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection until its caller leaves."""
        try:
            while request := await _request(reader):
                await self._counted(request, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _counted(self, request: dict[str, Any], reader: asyncio.StreamReader, writer: Any) -> None:
        self.requests.append(request)
        self.running += 1
        self.most = max(self.most, self.running)
        self.arrived.set()
        try:
            await self._reply(self._step(request), request, reader, writer)
        finally:
            self.running -= 1

    def _step(self, request: dict[str, Any]) -> Step:
        if self.script:
            return self.script.pop(0)
        return self.otherwise(request) if callable(self.otherwise) else self.otherwise

    async def _reply(self, step: Step, request: dict[str, Any], reader: asyncio.StreamReader, writer: Any) -> None:
        if isinstance(step, Reply):
            await _whole(writer, step.status, step.body, dict(step.headers))
        elif request["_path"].endswith("/embeddings"):
            await _whole(writer, 200, json.dumps(_embeddings(request)))
        elif request.get("stream"):
            await self._streamed(step, request, reader, writer)
        elif isinstance(step, Stall):
            await self._stalled(reader)
        elif isinstance(step, Cut):
            writer.write(_head(200, 1000, {}) + b'{"choices": [')
            await writer.drain()
            raise ConnectionResetError
        else:
            await asyncio.sleep(step.latency)
            await _whole(writer, 200, json.dumps(_completion(step, request)))

    async def _streamed(self, step: Step, request: dict[str, Any], reader: asyncio.StreamReader, writer: Any) -> None:
        said = step if isinstance(step, Say) else Say(text="one two three four", pieces=4)
        await asyncio.sleep(said.latency)
        writer.write(_head(200, None, {"content-type": "text/event-stream"}))
        for index, delta in enumerate(said.deltas()):
            if isinstance(step, Stall | Cut) and index >= step.after:
                break
            await _event(writer, {"choices": [{"index": 0, "delta": {"content": delta}}], "model": request["model"]})
        if isinstance(step, Stall):
            await self._stalled(reader)
        if isinstance(step, Stall | Cut):
            raise ConnectionResetError
        last: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": said.finish_reason}]}
        await _event(writer, last)
        if said.usage is not None and (request.get("stream_options") or {}).get("include_usage"):
            await _event(writer, {"choices": [], "usage": dict(said.usage)})
        await _chunk(writer, b"data: [DONE]\n\n")
        await _chunk(writer, b"")

    async def _stalled(self, reader: asyncio.StreamReader) -> None:
        await reader.read(1)
        self.left += 1
        raise ConnectionResetError


@asynccontextmanager
async def model_server(*script: Step, otherwise: Step | Answers | None = None) -> AsyncIterator[ModelServer]:
    """Serves for the length of a block; `url` is the base URL to configure, ending in /v1."""
    served = ModelServer(list(script), otherwise or Say())
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    line = await reader.readline()
    # Ports come again: a channel of gRPC may still look here for whoever listened before, and begins so.
    if not line or line.startswith(b"PRI "):
        return None
    headers: dict[str, str] = {}
    while (header := (await reader.readline()).strip()) != b"":
        name, _, value = header.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return {**(json.loads(body) if body else {}), "_path": line.split()[1].decode(), "_headers": headers}


def _head(status: int, length: int | None, headers: dict[str, str]) -> bytes:
    size = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    more = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} scripted\r\n{size}\r\n{more}\r\n".encode()


async def _whole(writer: Any, status: int, body: str, headers: dict[str, str] | None = None) -> None:
    content = body.encode()
    writer.write(_head(status, len(content), {"content-type": "application/json", **(headers or {})}) + content)
    await writer.drain()


async def _event(writer: Any, data: dict[str, Any]) -> None:
    await _chunk(writer, f"data: {json.dumps(data)}\n\n".encode())


async def _chunk(writer: Any, data: bytes) -> None:
    writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    await writer.drain()


def _completion(said: Say, request: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": said.message(), "finish_reason": said.finish_reason}
    usage = {} if said.usage is None else {"usage": dict(said.usage)}
    return {"id": "chatcmpl-1", "object": "chat.completion", "model": request["model"], "choices": [choice], **usage}


def _embeddings(request: dict[str, Any]) -> dict[str, Any]:
    """Returns vectors that depend on the texts alone: how often each of eight classes of letters occurs."""
    texts = [request["input"]] if isinstance(request["input"], str) else request["input"]
    vectors = [[float(sum(ord(letter) % 8 == k for letter in text)) for k in range(8)] for text in texts]
    data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
    tokens = sum(len(text) for text in texts) // 4
    return {"object": "list", "data": data, "model": request["model"], "usage": {"prompt_tokens": tokens}}
