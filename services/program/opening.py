"""Opens what one piece of work runs on: the program, ready, and the registered metrics beside it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from ashgrove.program.v1 import program_pb2

from domain.values import Json
from services.program import shapes, tracing
from services.program.code.contract import CodeFault
from services.program.code.session import Session
from services.program.documents.assembling import DEEPEST, Assembly
from services.program.running import ModelRejected, Outcome, Run
from services.program.tools.using import Toolbox
from services.program.working import Workshop


@dataclass(frozen=True)
class Opened:
    """A program ready to run, and the session in which registered code runs, if there is any."""

    run: Run
    at_once: int
    """How many runs may overlap with any use."""
    session: Session | None = None


@asynccontextmanager
async def opened(
    workshop: Workshop,
    program: program_pb2.Program,
    configuration: Mapping[str, Json],
    train: Sequence[Mapping[str, Any]],
    metrics: Sequence[str] = (),
    *,
    organization_id: UUID,
) -> AsyncIterator[Opened]:
    """Yields a program, prepared with a configuration, and registered metrics; CodeFault when code is at fault."""
    async with AsyncExitStack() as stack:
        if program.type != program_pb2.Program.TYPE_PIPELINE:
            whose = organization_id, 1
            its = await stack.enter_async_context(_opened(workshop, program, configuration, train, metrics, whose))
            yield replace(its, run=_traced(program, its.run))
            return
        assembly = Assembly(workshop, organization_id, lambda *asked: _step(workshop, organization_id, *asked))
        run = await stack.enter_async_context(assembly.opened(program, configuration, 1))
        session = None
        if metrics:
            limits = workshop.bounds.limits(program.program_config)
            session = await stack.enter_async_context(workshop.workers.session(None, metrics, limits))
        yield Opened(_traced(program, run), workshop.at_once, session)


def _traced(program: program_pb2.Program, run: Run) -> Run:
    """Returns the same with a span around every run; code that is a step has one already."""
    if not program.name:
        return run

    async def traced(inputs: Mapping[str, Any], seed: int) -> Outcome:
        with tracing.running(program) as span:
            outcome = await run(inputs, seed)
            if outcome.outputs is None:
                span.fail(outcome.error_class)
            return outcome

    return traced


@asynccontextmanager
async def _step(
    workshop: Workshop,
    organization_id: UUID,
    program: program_pb2.Program,
    configuration: Mapping[str, Json],
    depth: int,
) -> AsyncIterator[Run]:
    """Yields what runs a step of a pipeline, which may be one itself."""
    if program.type == program_pb2.Program.TYPE_PIPELINE:
        assembly = Assembly(workshop, organization_id, lambda *asked: _step(workshop, organization_id, *asked))
        async with assembly.opened(program, configuration, depth) as run:
            yield _traced(program, run)
    else:
        async with _opened(workshop, program, configuration, [], (), (organization_id, depth)) as its:
            yield _traced(program, its.run)


@asynccontextmanager
async def _opened(
    workshop: Workshop,
    program: program_pb2.Program,
    configuration: Mapping[str, Json],
    train: Sequence[Mapping[str, Any]],
    metrics: Sequence[str],
    whose: tuple[UUID, int],
) -> AsyncIterator[Opened]:
    custom = program.type == program_pb2.Program.TYPE_CUSTOM
    if not custom and not metrics:
        yield Opened(await _prepared(workshop, program, configuration, train, whose), workshop.at_once)
        return
    limits = workshop.bounds.limits(program.program_config)
    entry_point = program.program_config.entry_point if custom else None
    async with workshop.workers.session(entry_point, metrics, limits) as session:
        if custom:
            await session.prepare([_plain(example) for example in train], configuration)
            run, at_once = _runner(session, program, configuration), min(session.runs_at_once, workshop.at_once)
        else:
            run, at_once = await _prepared(workshop, program, configuration, train, whose), workshop.at_once
        yield Opened(run, at_once, session)


async def _prepared(
    workshop: Workshop,
    program: program_pb2.Program,
    configuration: Mapping[str, Json],
    train: Sequence[Mapping[str, Any]],
    whose: tuple[UUID, int],
) -> Run:
    """Returns what asks a model, with its tools where it has some; raises ModelRejected where they lead too deep."""
    if program.type != program_pb2.Program.TYPE_REACT:
        return await workshop.prepare(program, configuration, train)
    organization_id, depth = whose
    if depth > DEEPEST:
        raise ModelRejected(f"programs use each other as tools more than {DEEPEST} deep")
    toolbox = Toolbox(workshop, organization_id, lambda it: _step(workshop, organization_id, it, {}, depth + 1))
    made: Run = await workshop.prepare_with_tools(program, configuration, train, toolbox.ready(program))
    return made


def _plain(example: Mapping[str, Any]) -> dict[str, Any]:
    return {"inputs": example["inputs"], "outputs": example["outputs"]}


def _runner(session: Session, program: program_pb2.Program, configuration: Mapping[str, Json]) -> Run:
    signature = program.signature_config

    async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
        try:
            ran = await session.run(inputs, configuration, seed)
        except CodeFault as fault:
            if fault.error_class not in ("EXCEPTION", "BAD_OUTPUT"):
                raise
            return Outcome(None).failed(fault.message, fault.error_class)
        outcome = Outcome(ran.outputs, trace=ran.trace, latency_ms=ran.latency_ms)
        faults = list(shapes.value_faults(signature.outputs, ran.outputs, "outputs"))
        if faults:
            return outcome.failed("; ".join(f"{f.path} {f.message}" for f in faults), "BAD_OUTPUT")
        return outcome

    return run
