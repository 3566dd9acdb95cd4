"""Runs pipelines: each step as soon as what it is bound to is there; what they took is added up."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ashgrove.program.v1 import document_pb2, program_pb2
from google.protobuf.json_format import MessageToDict

from domain.pipelines import INPUTS
from domain.seeds import digest
from domain.values import Json
from framework.tasks import stopped
from services.program import shapes
from services.program.code.contract import CodeFault
from services.program.documents.piped import pipeline_of
from services.program.metering.work import current_work
from services.program.running import ModelAway, ModelRejected, Outcome, failed_by
from services.program.story import at

TOOL_FAULTS = ("EXCEPTION", "BAD_OUTPUT", "CRASH", "IMPORT", "UNREGISTERED")
"""What of a tool is the tool's own failure; that it passed a limit is said as it is."""
Do = Callable[[Mapping[str, Json], int], Awaitable[Outcome]]


@dataclass(frozen=True)
class Ready:
    """A step that can run, and how long it may."""

    step: document_pb2.PipelineStep
    do: Do
    timeout_ms: int | None


class Flow:
    """A pipeline, ready to run."""

    def __init__(self, program: program_pb2.Program, ready: Mapping[str, Ready]) -> None:
        self._program = program
        self._ready = ready
        self._needs = {step.name: step.needs for step in pipeline_of(program).steps}

    async def run(self, inputs: Mapping[str, Any], seed: int) -> Outcome:
        """Runs every step and returns what came out of the whole; a step that fails fails it, and stops the others."""
        values: dict[str, Mapping[str, Json]] = {INPUTS: inputs}
        took = Outcome({})
        running: dict[asyncio.Task[Outcome], str] = {}
        waiting = dict(self._needs)
        try:
            while waiting or running:
                for name in [name for name, needs in waiting.items() if needs <= values.keys()]:
                    del waiting[name]
                    running[asyncio.create_task(self._step(self._ready[name], values, seed))] = name
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                ended = {running.pop(task): task for task in done}
                failed = None
                for name, task in ended.items():
                    outcome = _result(name, task, took)
                    took = took.after(outcome)
                    if outcome.outputs is None:
                        failed = failed or (f"step {name}: {outcome.error}", outcome.error_class)
                    else:
                        values[name] = outcome.outputs
                if failed:
                    return took.failed(*failed)
        finally:
            await stopped(running.keys())
        return self._ended(values, took)

    async def _step(self, ready: Ready, values: Mapping[str, Mapping[str, Json]], seed: int) -> Outcome:
        inputs, own_seed = _bound(ready.step.inputs, values), digest(seed, ready.step.name, size=8) & (2**63 - 1)
        story = work.story if (work := current_work()) else None
        with at(ready.step.name):
            try:
                outcome = await _within(ready, inputs, own_seed)
            except (ModelAway, ModelRejected) as fault:
                if story:
                    story.step(inputs, failed_by(fault))
                raise
            if ready.step.WhichOneof("kind") in ("tool", "retriever") and outcome.error_class in TOOL_FAULTS:
                outcome = replace(outcome, error_class="TOOL")
            if story:
                nested = ready.step.program.type == "TYPE_PIPELINE"  # its own steps are told already
                story.step(inputs, outcome, None if nested else outcome.trace)
        return outcome

    def _ended(self, values: Mapping[str, Mapping[str, Json]], took: Outcome) -> Outcome:
        outputs = _bound(self._program.program_config.pipeline.outputs, values)
        trace = {"steps": {name: dict(each) for name, each in values.items() if name != INPUTS}}
        faults = list(shapes.value_faults(self._program.signature_config.outputs, outputs, "outputs"))
        if faults:
            return took.failed("; ".join(f"{f.path} {f.message}" for f in faults), "BAD_OUTPUT")
        return replace(took, outputs=outputs, trace=trace)


async def _within(ready: Ready, inputs: Mapping[str, Json], seed: int) -> Outcome:
    """Runs a step within its time."""
    try:
        async with asyncio.timeout(None if ready.timeout_ms is None else ready.timeout_ms / 1000) as limit:
            return await ready.do(inputs, seed)
    except TimeoutError:
        if not limit.expired():
            raise
        return Outcome(None).failed(f"did not end within {ready.timeout_ms} ms", "TIMEOUT")
    except CodeFault as fault:
        return Outcome(None).failed(str(fault), fault.error_class)


def _bound(bindings: Any, values: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
    """Returns what bindings come to; what an earlier step left out stays out."""
    found: dict[str, Json] = {}
    for each in bindings:
        if each.WhichOneof("source") == "value":
            found[each.field] = MessageToDict(each.value)
            continue
        step, _, name = getattr(each, "from").partition(".")
        if name in values[step]:
            found[each.field] = values[step][name]
    return found


def _result(name: str, task: "asyncio.Task[Outcome]", took: Outcome) -> Outcome:
    """Returns how a step ended; a fault names the step, and carries what was paid until then."""
    try:
        return task.result()
    except (ModelAway, ModelRejected) as fault:
        fault.args = (f"step {name}: {fault}",)
        fault.took = took.after(fault.took)
        raise
