"""Executions that are followed as they go, and what is kept of their way."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2
from ashgrove.program.v1.execution_requests_pb2 import (
    CancelExecutionRequest,
    ExecutionStep,
    GetExecutionStepsRequest,
    StreamExecutionRequest,
    StreamExecutionResponse,
)
from ashgrove.program.v1.signature_pb2 import SignatureConfig
from ashgrove.programs import field

from framework.errors import NotFound
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.pieces import swept
from services.program.working import Workshop
from tests.integration.program.connecting import SV, connected, connector, create_connector
from tests.integration.program.making import create_program, working
from tests.integration.program.test_bounded_executions import asked
from tests.integration.program.test_documents import create, document, executed, language
from tests.models import Cut, ModelServer, Reply, Say, Stall


@pytest.fixture
async def telling(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[Workshop]:
    """A workshop with a worker, and a connector called `fast` that streams."""
    async with connected(bench, workshop, tmp_path) as made, working(made):
        streaming = connector(models)
        streaming.capabilities.streaming = True
        await create_connector(bench, streaming)
        yield made


async def followed(bench: Workbench, identifier: str, position: int = 0) -> list[StreamExecutionResponse]:
    """Returns the frames of an execution to its end."""
    request = StreamExecutionRequest(id=identifier, from_sequence=position)
    return [frame async for frame in bench.frames("StreamExecution", request)]


def items(frames: list[StreamExecutionResponse]) -> list[Any]:
    """Returns the pieces among frames."""
    return [frame.item for frame in frames if frame.WhichOneof("frame") == "item"]


async def steps_of(bench: Workbench, done: execution_pb2.Execution) -> list[ExecutionStep]:
    """Returns what is kept of an execution's way."""
    return list((await bench.do("GetExecutionSteps", GetExecutionStepsRequest(id=done.id))).steps)


async def test_words_are_told_as_they_come_and_the_story_goes_on_where_one_left(
    bench: Workbench, telling: Workshop, models: ModelServer
) -> None:
    """The first words are there while the model still speaks; what comes after them is told to whoever comes back."""
    models.otherwise = Stall(after=2)
    request = asked(await create_program(bench), detached=True, streamed=True)
    begun = await bench.do("ExecuteProgram", request)
    first: list[StreamExecutionResponse] = []
    async for frame in bench.frames("StreamExecution", StreamExecutionRequest(id=begun.id)):
        first.append(frame)
        if "two" in "".join(piece.text.text for piece in items(first)):
            break
    assert first[0].execution.id == begun.id and not models.left
    following = asyncio.create_task(followed(bench, begun.id, items(first)[-1].sequence))
    await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))
    rest = await following
    assert rest[-1].execution.status == execution_pb2.WORK_STATUS_CANCELLED
    told = items(first) + items(rest)
    assert [piece.sequence for piece in told] == list(range(1, len(told) + 1))
    assert "".join(piece.text.text for piece in told).startswith("one two ") and {p.text.call for p in told} == {1}


async def test_an_answer_comes_in_pieces_that_make_it_whole_then_its_step_then_the_result(
    bench: Workbench, telling: Workshop, models: ModelServer
) -> None:
    """A retry's words are another call's; what is kept of the way is what was told; a minute later that is gone."""
    models.script = [Reply(500), Say("no shape", pieces=2), Cut(after=1)]
    models.otherwise = Say(SV, pieces=5)
    request = asked(await create_program(bench), streamed=True, configuration={"model": "fast", "parse_attempts": 3})
    done = await bench.do("ExecuteProgram", request)
    frames = await followed(bench, done.id)
    assert done.outputs["language"] == "sv" and frames[-1].execution == done and frames[-1].end.status.code == 0
    texts: dict[int, str] = {}
    for piece in items(frames):
        texts[piece.text.call] = texts.get(piece.text.call, "") + piece.text.text
    last = max(texts)
    assert texts[2] == "no shape" and texts[last] == SV
    steps = await steps_of(bench, done)
    assert [piece.step for piece in items(frames) if piece.WhichOneof("piece") == "step"] == steps
    kinds = [execution_pb2.ErrorClass.Name(step.error_class).removeprefix("ERROR_CLASS_") for step in steps]
    assert kinds[0] == "MODEL_UNAVAILABLE" and kinds[-1] == "UNSPECIFIED" and len(steps) == last
    assert steps[-1].text == SV and steps[-1].model == "fast"
    assert sum(step.cost_nanos for step in steps) == pytest.approx(done.cost_micros * 1000, abs=1000 * len(steps))
    with pytest.raises(NotFound):
        [frame async for frame in bench.elsewhere().frames("StreamExecution", StreamExecutionRequest(id=done.id))]
    with pytest.raises(NotFound):
        await steps_of(bench.elsewhere(), done)
    async with bench.database.system() as tx:
        await tx.execute(f"UPDATE executions SET completed_at = now() - interval '2 minutes' WHERE id = '{done.id}'")
    assert await swept(bench.database) == len(items(frames))
    assert not items(await followed(bench, done.id))


async def test_a_model_that_cannot_stream_is_told_whole_and_its_status_as_it_changes(
    bench: Workbench, workshop: Workshop
) -> None:
    """Whoever follows before a worker is there hears when one begins."""
    request = asked(await create_program(bench), detached=True, streamed=True, configuration={})
    begun = await bench.do("ExecuteProgram", request)
    following = asyncio.create_task(followed(bench, begun.id))
    async with working(workshop):
        frames = await following
    statuses = [frame.execution.status for frame in frames if frame.HasField("execution")]
    assert statuses[0] == execution_pb2.WORK_STATUS_PENDING and statuses[-1] == execution_pb2.WORK_STATUS_COMPLETED
    (text, step) = items(frames)
    assert "language" in text.text.text and step.step.text == text.text.text


async def test_a_pipeline_keeps_what_went_into_each_step_and_came_out(bench: Workbench, coded: Workshop) -> None:
    """Calls of models under the step that made them; a tool that fails is a failure of a tool."""
    asking = await create(bench, language())
    steps = [
        {"name": "guess", "program": {"program_id": asking.id}, "inputs": [{"field": "text", "from": "inputs.text"}]},
        {
            "name": "use",
            "tool": {"entry_point": "echo@1", "outputs": [{"name": "answer"}]},
            "inputs": [{"field": "text", "from": "guess.language"}],
        },
    ]
    signature = SignatureConfig(inputs=[field("text")], outputs=[field("answer")])
    outputs = [{"field": "answer", "from": "use.answer"}]
    whole = await create(bench, document("PIPELINE", signature, pipeline={"steps": steps, "outputs": outputs}))
    async with working(coded):
        done = await executed(bench, whole, {"text": "und"})
        kept = await steps_of(bench, done)
    assert [(step.path, ExecutionStep.Kind.Name(step.kind)) for step in kept] == [
        ("guess", "KIND_MODEL_CALL"),
        ("guess", "KIND_STEP"),
        ("use", "KIND_STEP"),
    ]
    assert kept[1].inputs["text"] == "und" and kept[2].inputs["text"] == kept[1].outputs["language"]
    assert kept[2].outputs == done.outputs


async def test_a_cancelled_execution_keeps_the_steps_that_it_had_made(
    bench: Workbench, telling: Workshop, models: ModelServer
) -> None:
    """The first answer could not be read, the second never came: both are told, and what they had cost."""
    models.script, models.otherwise = [Say("no shape")], Stall()
    configuration = {"model": "fast", "max_tokens": 100, "parse_attempts": 3}
    request = asked(await create_program(bench), detached=True, configuration=configuration)
    begun = await bench.do("ExecuteProgram", request)

    async def stalled() -> bool:
        return len(models.requests) == 2

    async def told() -> bool:
        return bool(await steps_of(bench, begun))

    await until(stalled)
    assert not await told()
    await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))
    await until(told)
    read, cut = await steps_of(bench, begun)
    assert read.text == "no shape" and read.model == "fast" and read.cost_nanos and not read.estimated
    assert (read.call, cut.call, cut.text) == (1, 2, "") and cut.model == "fast" and cut.cost_nanos and cut.estimated
