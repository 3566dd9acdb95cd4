"""Programs on an OpenAI-compatible endpoint: a real HTTP server on loopback that answers as such endpoints do."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from framework.egress.outlet import Outlet
from services.program.lm.engine import ModelSettings, ModelUnavailable
from services.program.lm.parameters import parameters
from services.program.lm.runner import Runner

SIGNATURE = {"instructions": "Name the language.", "inputs": [{"name": "text"}], "outputs": [{"name": "language"}]}


class _Endpoint(BaseHTTPRequestHandler):
    seen: ClassVar[list[tuple[str, str, Any]]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.seen.append((self.path, self.headers["authorization"], body))
        content = "[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"
        usage = {"prompt_tokens": 11, "completion_tokens": 3}
        answer = json.dumps({"choices": [{"message": {"content": content}}], "usage": usage}).encode()
        self.send_response(self.status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    """The base URL of a running endpoint."""
    _Endpoint.seen.clear()
    _Endpoint.status = 200
    with ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()
        thread.join()


async def test_the_endpoint_is_asked_as_openai_is_and_its_usage_is_charged(endpoint: str) -> None:
    """Model, messages, key and bounds travel; tokens come back and are priced."""
    models = ModelSettings(
        default_model="some-model",
        base_url=endpoint,
        api_key=SecretStr("k"),
        input_micros=1_000_000,
        output_micros=4_000_000,
    )
    train = [{"inputs": {"text": "Norge och Sverige"}, "outputs": {"language": "sv"}}]
    chosen = parameters({}, {"temperature": 0.5, "demonstration_count": 1})
    async with Outlet() as http:
        said = await Runner(SIGNATURE, chosen, train, models, http).run({"text": "Danmark och Island"})
    assert said.outputs == {"language": "sv"}
    assert (said.input_tokens, said.output_tokens, said.cost_micros) == (11, 3, 23)
    path, key, body = _Endpoint.seen[0]
    assert (path, key, body["model"], body["temperature"]) == ("/v1/chat/completions", "Bearer k", "some-model", 0.5)
    assert [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"]


async def test_an_endpoint_that_fails_is_unavailable(endpoint: str) -> None:
    """A 500 may pass: it is told as something to try again."""
    _Endpoint.status = 500
    models = ModelSettings(default_model="some-model", base_url=endpoint)
    async with Outlet() as http:
        with pytest.raises(ModelUnavailable, match="500"):
            await Runner(SIGNATURE, parameters({}, {}), [], models, http).run({"text": "x"})
