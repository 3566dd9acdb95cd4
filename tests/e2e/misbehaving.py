"""A model server that the stack may call, in a process of its own: what a model is called by is how it misbehaves."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from framework.testing.beside import beside
from tests.models import Reply, Say, Stall, model_server
from tests.models.script import Step

_THOUGHT = {"next_thought": "Once more.", "next_tool_name": "weather", "next_tool_args": json.dumps({"city": "Lund"})}
_WAYS: dict[str, Step] = {
    "loops": Say("\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in _THOUGHT.items())),
    "mumbles": Say("no shape that anybody could read"),
    "hangs": Stall(),
}


def _answer(request: dict[str, Any]) -> Step:
    """Returns how a model answers, and what a tool does, which names none."""
    return _WAYS[request["model"]] if "model" in request else Reply(200, '{"celsius": 12}')


def _serve(pipe: Any) -> None:
    async def serving() -> None:
        async with model_server(otherwise=_answer) as server:
            pipe.send(server.url)
            await asyncio.Event().wait()

    asyncio.run(serving())


@contextmanager
def misbehaving() -> Iterator[str]:
    """Serves for the length of a block, and yields the base URL."""
    with beside(_serve) as url:
        yield url
