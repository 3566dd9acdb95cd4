"""Makes a pipeline ready: each step a program of its own, with what slots and configuration say about it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import document_pb2, program_pb2
from ashgrove.program.v1.signature_pb2 import SignatureConfig

from domain.values import Json
from services.program import shapes, tracing
from services.program.code.contract import CodeFault
from services.program.configurations import tuned
from services.program.documents.flowing import Do, Flow, Ready
from services.program.documents.looking import RegisteredRetriever
from services.program.documents.piped import template_inputs, templated, tool_signature
from services.program.documents.retrieving import BUILT_IN, DEFAULT_K, NEAREST, Retriever, shown
from services.program.documents.slots import say, slot_named
from services.program.lm.parameters import Refused
from services.program.running import ModelRejected, Outcome, Run
from services.program.working import Workshop, pinned_program, training_of

DEEPEST = 8
"""How many pipelines may stand within each other."""

Program = program_pb2.Program
Open = Callable[[Program, Mapping[str, Json], int], AbstractAsyncContextManager[Run]]
"""Opens a program with a configuration, at a depth of pipelines."""


@dataclass(frozen=True)
class Assembly:
    """Where pipelines are made ready: the workshop, whose they are, how other programs are opened."""

    workshop: Workshop
    organization_id: UUID
    open: Open

    @asynccontextmanager
    async def opened(self, program: Program, configuration: Mapping[str, Json], depth: int) -> AsyncIterator[Run]:
        """Yields what runs a pipeline; raises ModelRejected for one that cannot be made ready."""
        if depth > DEEPEST:
            raise ModelRejected(f"pipelines stand within each other more than {DEEPEST} deep")
        fixed, others = tuned(program.signature_config, configuration)
        inputs = template_inputs(program)
        async with AsyncExitStack() as stack:
            ready: dict[str, Ready] = {}
            for step in program.program_config.pipeline.steps:
                said = dict(others.get(step.name) or {})
                timeout = said.pop("timeout_ms", step.timeout_ms if step.HasField("timeout_ms") else None)
                signature = SignatureConfig(inputs=inputs.get(step.name), outputs=step.template.outputs)
                ready[step.name] = Ready(step, await self._do(stack, program, step, signature, said, depth), timeout)
            flow, read = Flow(program, ready), shapes.reading_as(program.signature_config.inputs)

            async def run(given: Mapping[str, Any], seed: int) -> Outcome:
                return await flow.run(read({**given, **fixed}), seed)

            yield run

    async def _do(
        self,
        stack: AsyncExitStack,
        program: Program,
        step: document_pb2.PipelineStep,
        signature: SignatureConfig,
        said: dict[str, Json],
        depth: int,
    ) -> Do:
        if step.HasField("retriever"):
            return await self._retriever(program, step, said)
        if step.HasField("tool"):
            return self._tool(step, said, depth)
        slot = slot_named(program, step.name)
        its = templated(program, step, signature) if step.HasField("template") else await self._pinned(step.program)
        say(its, slot)
        try:
            return await stack.enter_async_context(self.open(its, said, depth + 1))
        except Refused as refused:
            raise ModelRejected(f"step {step.name}: {refused}") from refused

    async def _pinned(self, step: document_pb2.ProgramStep) -> Program:
        row = {"organization_id": self.organization_id, "program_id": step.program_id}
        return await pinned_program(self.workshop.database, row | {"program_revision": step.revision})

    async def _retriever(self, program: Program, step: document_pb2.PipelineStep, said: dict[str, Json]) -> Do:
        its = step.retriever
        row = {"organization_id": self.organization_id, "dataset_id": its.dataset_id}
        examples = await training_of(self.workshop.database, row | {"dataset_revision": its.dataset_revision})
        k = int(said.pop("k", its.k if its.HasField("k") else DEFAULT_K))
        name = its.retriever or NEAREST
        if name not in BUILT_IN:
            limits = self.workshop.bounds.limits(program.program_config)
            looking = RegisteredRetriever(self.workshop.workers, name, limits, shown(examples), said)
            return _traced(step.name, lambda query: looking.found(query, k))
        retriever = await asyncio.to_thread(Retriever, examples, name)
        return _traced(step.name, lambda query: asyncio.to_thread(retriever.found, query, k))

    def _tool(self, step: document_pb2.PipelineStep, said: Mapping[str, Json], depth: int) -> Do:
        config = program_pb2.ProgramConfig(entry_point=step.tool.entry_point)
        code = Program(type=Program.TYPE_CUSTOM, signature_config=tool_signature(step), program_config=config)

        async def use(inputs: Mapping[str, Json], seed: int) -> Outcome:
            # A process for the length of the call: steps that each held one and waited for another would wait for ever.
            with tracing.using(step.tool.entry_point, "extension") as span:
                async with self.open(code, said, depth + 1) as run:
                    outcome = await run(inputs, seed)
                if outcome.outputs is None:
                    span.fail(outcome.error_class)
                return outcome

        return use


def _traced(name: str, find: Callable[[str], Awaitable[dict[str, Json]]]) -> Do:
    """Returns what looks something up, with a span around it."""

    async def look(inputs: Mapping[str, Json], seed: int) -> Outcome:
        with tracing.using(name, "datastore") as span:
            try:
                return Outcome(await find(str(inputs["query"])))
            except CodeFault as fault:
                span.fail(fault.error_class)
                raise

    return look
