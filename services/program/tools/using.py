"""Makes a program's tools ready: each a function of arguments that a model said, bounded, and traced."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from ashgrove.custom import TOOLS
from ashgrove.program.v1 import document_pb2, program_pb2, tool_pb2

from domain.values import Json
from framework.egress import EgressRefused
from framework.egress.judging import LONGEST_URL
from framework.errors import InvalidFields
from framework.secrets import SecretReferences
from services.program import tracing
from services.program.code.contract import CodeFault
from services.program.lm.engine import meter
from services.program.running import ModelAway, ModelRejected, Run, failed_by
from services.program.schemas.checking import Checker
from services.program.schemas.declared import fields_from
from services.program.story import at
from services.program.working import Workshop, pinned_program

Open = Callable[[program_pb2.Program], AbstractAsyncContextManager[Run]]
SECONDS = 30.0
LONGEST = 20_000
"""How much of what a tool answers a model is shown."""


@dataclass(frozen=True)
class Outside:
    """The way to tools on the network: a client that keeps to the egress policy, and the secrets."""

    http: httpx.AsyncClient
    secrets: SecretReferences


class ToolFailed(Exception):  # noqa: N818 - what happened
    """A tool gave nothing that can be used; the message is fit for the model, and for the caller."""


class ReadyTool:
    """One tool that a model may use."""

    def __init__(self, tool: tool_pb2.Tool, use: Callable[[dict[str, Json]], Awaitable[Json]]) -> None:
        self.name, self.description, self.kind = tool.name, tool.description, str(tool.WhichOneof("kind"))
        self.arguments = Checker(fields_from(tool.arguments))
        self._use = use
        self._seconds = tool.timeout_ms / 1000 if tool.HasField("timeout_ms") else SECONDS

    async def observed(self, arguments: Any) -> tuple[str, bool]:
        """Returns what came of a use, as text that a model can read, and whether it was of use."""
        with tracing.using(self.name, "extension" if self.kind == "http" else "function") as span:
            try:
                return _shown(await self._used(arguments)), True
            except ToolFailed as failed:
                span.fail("TOOL")
                return f"{self.name} failed: {failed}"[:LONGEST], False

    async def _used(self, arguments: Any) -> Json:
        if not isinstance(arguments, dict):
            raise ToolFailed("its arguments must be a JSON object")
        checked = self.arguments.check(arguments, "arguments", lenient=True)
        if checked.violations:
            raise ToolFailed("; ".join(f"{each.path} {each.message}" for each in checked.violations))
        try:
            async with asyncio.timeout(self._seconds):
                return await self._use(checked.values)
        except TimeoutError:
            raise ToolFailed(f"it did not answer within {self._seconds * 1000:.0f} ms") from None


def _shown(answer: Json) -> str:
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (cut)"


@dataclass(frozen=True)
class Toolbox:
    """Where tools are made ready: the workshop, whose they are, how other programs are opened."""

    workshop: Workshop
    organization_id: UUID
    open: Open

    def ready(self, program: program_pb2.Program) -> list[ReadyTool]:
        """Returns the tools of a program."""
        limits = self.workshop.bounds.limits(program.program_config)
        return [ReadyTool(tool, self._use(tool, limits)) for tool in program.program_config.react.tools]

    def _use(self, tool: tool_pb2.Tool, limits: Any) -> Callable[[dict[str, Json]], Awaitable[Json]]:
        if tool.HasField("http"):
            return lambda arguments: self._asked(tool.http, arguments)
        if tool.HasField("program"):
            return lambda arguments: self._run(tool.name, tool.program, arguments)
        return lambda arguments: self._called(tool.registered.entry_point, limits, arguments)

    async def _asked(self, tool: tool_pb2.HttpTool, arguments: Mapping[str, Json]) -> Json:
        outside = self.workshop.outside
        if outside is None:
            raise ToolFailed("this worker asks nothing on the network")
        get = tool.method == tool_pb2.HttpTool.METHOD_GET
        url = _queried(tool.url, arguments) if get else httpx.URL(tool.url)
        content = {} if get else {"json": dict(arguments)}
        try:
            headers = {"authorization": f"Bearer {self._key(outside, tool)}"} if tool.secret else {}
            answer = await outside.http.request("GET" if get else "POST", url, headers=headers, **content)
        except EgressRefused:
            raise ToolFailed("it leads to an address that the operator's egress policy does not allow") from None
        except InvalidFields:
            raise ToolFailed("its secret is none that its organization may use") from None
        except UnicodeEncodeError:
            raise ToolFailed("its secret has letters that no header holds") from None
        except httpx.HTTPError:
            raise ToolFailed("it cannot be reached") from None
        if answer.status_code >= 300:
            raise ToolFailed(f"it answers {answer.status_code}")
        return answer.text.replace("\x00", "\ufffd")

    def _key(self, outside: Outside, tool: tool_pb2.HttpTool) -> str:
        return outside.secrets.resolve(self.organization_id, tool.secret).get_secret_value()

    async def _run(self, name: str, step: document_pb2.ProgramStep, arguments: Mapping[str, Json]) -> Json:
        row = {"organization_id": self.organization_id, "program_id": step.program_id}
        pinned = await pinned_program(self.workshop.database, row | {"program_revision": step.revision})
        try:
            with at(name):
                async with self.open(pinned) as run:
                    outcome = await run(arguments, 0)
        except (ModelAway, ModelRejected, CodeFault) as fault:
            meter.get().include(failed_by(fault))
            raise ToolFailed(str(fault)) from fault
        meter.get().include(outcome)
        if outcome.outputs is None:
            raise ToolFailed(outcome.error)
        return dict(outcome.outputs)

    async def _called(self, entry_point: str, limits: Any, arguments: Mapping[str, Json]) -> Json:
        try:
            # A process for the length of the use: a model thinks for long between two.
            async with self.workshop.workers.session(entry_point, (), limits, TOOLS) as session:
                return dict((await session.run(arguments, {}, 0)).outputs)
        except CodeFault as fault:
            raise ToolFailed(fault.message) from fault


def _queried(url: str, arguments: Mapping[str, Json]) -> httpx.URL:
    """Returns where a tool is asked whose arguments go in the query."""
    with suppress(httpx.InvalidURL):  # longer than httpx has any
        made = httpx.URL(url).copy_merge_params({name: _written(each) for name, each in arguments.items()})
        if len(str(made)) <= LONGEST_URL:
            return made
    raise ToolFailed(f"its arguments make a query of more than {LONGEST_URL} characters: shorten them")


def _written(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
