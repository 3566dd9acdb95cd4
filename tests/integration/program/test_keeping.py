"""What executions keep, as their program says: nothing of what is not kept rests anywhere once it was used."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.execution_requests_pb2 import (
    CancelExecutionRequest,
    GetExecutionRequest,
    GetExecutionStepsRequest,
    StreamExecutionRequest,
)
from ashgrove.program.v1.program_defaults_pb2 import RunDefaults, SetProgramDefaultsRequest
from ashgrove.program.v1.program_requests_pb2 import UpdateProgramRequest

from framework.identifiers import new_id
from framework.storage import Leases
from framework.testing.spans import recorded
from framework.testing.workbench import Workbench
from services.program.connectors.answer import Answer
from services.program.connectors.endpoint import Endpoint
from services.program.metering.work import Work, inside
from services.program.pieces import released
from services.program.tracing import asking, told_by
from services.program.waking import EXECUTIONS
from services.program.worker import Worker
from services.program.working import Workshop
from tests.integration.program.connecting import connected, connector, create_connector
from tests.integration.program.making import create_custom, create_program, working
from tests.integration.program.test_bounded_executions import asked
from tests.models import ModelServer, Say

SECRET_IN, SECRET_OUT = "hav och fjäll", "[[ ## language ## ]]\nsv\n\n[[ ## completed ## ]]"
NEVER = program_pb2.ExecutionRetention(inputs_days=0, outputs_days=0)
PUBLIC = program_pb2.Program.VISIBILITY_PUBLIC


@pytest.fixture
async def keeping(bench: Workbench, workshop: Workshop, tmp_path: Path, models: ModelServer) -> AsyncIterator[Workshop]:
    """A workshop with a worker, and a connector called `fast` that answers."""
    models.otherwise = Say(SECRET_OUT)
    async with connected(bench, workshop, tmp_path) as made, working(made):
        await create_connector(bench, connector(models))
        yield made


async def row_of(bench: Workbench, identifier: str) -> dict[str, Any]:
    """An execution's row, hidden columns too."""
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT * FROM executions WHERE id = %(id)s", {"id": identifier})
    assert row is not None
    return row


async def everything(bench: Workbench) -> str:
    """All that rests in the database beside the executions themselves: events, replays, pieces."""
    told = str(await bench.events())
    async with bench.database.system() as tx:
        rows = await tx.fetch(
            "SELECT piece FROM execution_pieces WHERE organization_id = %(o)s", {"o": bench.organization_id}
        )
        replays = await tx.fetch(
            "SELECT response FROM replays WHERE organization_id = %(o)s", {"o": bench.organization_id}
        )
    return told + str(rows) + "".join(bytes(row["response"]).decode(errors="replace") for row in replays)


async def test_what_is_not_kept_is_told_to_whoever_asked_and_rests_nowhere(bench: Workbench, keeping: Workshop) -> None:
    """Neither in the row, nor in steps, events, answers to be sent again; a minute later outputs are nowhere at all."""
    program = await create_program(bench, execution_retention=NEVER, visibility=PUBLIC)
    done = await bench.do("ExecuteProgram", asked(program, request_id="once"))
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED and done.outputs["language"] == "sv"
    assert await bench.do("ExecuteProgram", asked(program, request_id="once")) == done
    read = await bench.do("GetExecution", GetExecutionRequest(id=done.id))
    assert not read.HasField("inputs") and not read.HasField("outputs") and read.cost_micros
    frames = {}
    for actor in (bench.user, bench.colleague):
        stream = bench.frames("StreamExecution", StreamExecutionRequest(id=done.id), actor)
        frames[actor.id] = [frame async for frame in stream][-1].execution
    assert frames[bench.user.id] == done and frames[bench.colleague.id] == read
    (step,) = (await bench.do("GetExecutionSteps", GetExecutionStepsRequest(id=done.id))).steps
    assert step.model == "fast" and step.cost_nanos and step.shortened and not step.text
    row = await row_of(bench, done.id)
    assert (
        row["inputs"] is row["inputs_held"] is row["outputs"] is None and row["outputs_held"] and not row["cache_key"]
    )
    said = await everything(bench)
    assert done.id in said and SECRET_IN not in said and "language ## ]]" not in said
    async with bench.database.system() as tx:
        await tx.execute("UPDATE executions SET completed_at = now() - interval '2 minutes'")
    assert await released(bench.database)
    assert (await row_of(bench, done.id))["outputs_held"] is None
    assert not (await bench.do("ExecuteProgram", asked(program, request_id="once"))).HasField("outputs")


async def test_events_of_executions_tell_no_values_whatever_is_kept(bench: Workbench, keeping: Workshop) -> None:
    """A feed is kept for its own time; whoever needs the values reads the execution."""
    done = await bench.do("ExecuteProgram", asked(await create_program(bench)))
    assert done.inputs["text"] == SECRET_IN and SECRET_IN not in await everything(bench)


async def test_what_the_setting_says_when_it_runs_holds(bench: Workbench, workshop: Workshop) -> None:
    """Inputs that were kept when it was asked for go with its end; steps are not kept at all where it says so."""
    program = await create_program(bench)
    begun = await bench.do("ExecuteProgram", asked(program, detached=True, configuration={}))
    assert begun.inputs["text"] == SECRET_IN
    change = program_pb2.Program(id=program.id, execution_retention={"inputs_days": 0, "steps_days": 0})
    changed = await bench.do("UpdateProgram", UpdateProgramRequest(program=change))
    assert changed.revision == program.revision and changed.execution_retention.steps_days == 0
    async with working(workshop):
        stream = bench.frames("StreamExecution", StreamExecutionRequest(id=begun.id))
        ended = [frame async for frame in stream][-1].execution
    assert ended.HasField("outputs") and not ended.HasField("inputs")
    assert not (await bench.do("GetExecutionSteps", GetExecutionStepsRequest(id=begun.id))).steps


async def test_however_it_ends_its_held_inputs_go_with_it(bench: Workbench, workshop: Workshop) -> None:
    """Cancelled before a worker came, or given up by one."""
    program = await create_program(bench, execution_retention=NEVER)
    first, second = [
        await bench.do("ExecuteProgram", asked(program, detached=True, configuration={})) for _ in range(2)
    ]
    assert (await row_of(bench, first.id))["inputs_held"] == {"text": SECRET_IN} and not first.HasField("inputs")
    await bench.do("CancelExecution", CancelExecutionRequest(id=first.id))
    leases = Leases(bench.database, EXECUTIONS, "status = 'WORK_STATUS_PENDING'")
    claimed = await leases.claim("a worker")
    assert claimed is not None and str(claimed["id"]) == second.id
    await Worker(workshop)._give_up(leases, claimed)
    for one, status in ((first, "CANCELLED"), (second, "FAILED")):
        row = await row_of(bench, one.id)
        assert row["status"] == f"WORK_STATUS_{status}" and row["inputs_held"] is None


async def test_words_that_may_quote_are_kept_as_little_as_what_they_quote(bench: Workbench, coded: Workshop) -> None:
    """Code that raises with its input in its words: the class stays."""
    program = await create_custom(bench, "fail@1")
    change = program_pb2.Program(id=program.id, execution_retention=NEVER)
    async with working(coded):
        plain = await bench.do("ExecuteProgram", asked(program, configuration={}))
        await bench.do("UpdateProgram", UpdateProgramRequest(program=change))
        private = await bench.do("ExecuteProgram", asked(program, configuration={}))
    assert plain.error_class == private.error_class != execution_pb2.ERROR_CLASS_UNSPECIFIED
    assert plain.error != private.error == "what was said of it is not kept"


def test_spans_of_what_is_not_kept_tell_no_texts() -> None:
    """Whatever the operator's setting says; of everything else they do where it says so."""
    endpoint = Endpoint(new_id(), new_id(), "fast", "openai", "http://models.test", "m1")
    body = {"messages": [{"role": "user", "content": SECRET_IN}]}
    told = {}
    for private in (False, True):
        work = Work(new_id(), private=private)
        with recorded() as kept, inside(work), asking(endpoint, body, texts=True) as span:
            told_by(span, Answer(SECRET_OUT, None), texts=True)
        told[private] = str([span.attributes for span in kept])
    assert SECRET_IN in told[False] and "language ##" in told[False]
    assert "gen_ai.request.model" in told[True] and SECRET_IN not in told[True] and "language ##" not in told[True]


async def test_an_organization_says_what_is_kept_of_programs_that_say_nothing(
    bench: Workbench, workshop: Workshop
) -> None:
    """A program's own number goes before; what is kept is no parameter, and told as none."""
    settings = RunDefaults(execution_retention=NEVER, temperature=0.5)
    await bench.do("SetProgramDefaults", SetProgramDefaultsRequest(defaults=settings), bench.admin)
    silent = await create_program(bench)
    speaking = await create_program(bench, name="speaks", execution_retention={"inputs_days": 9})
    async with working(workshop):
        first, second = [await bench.do("ExecuteProgram", asked(one, configuration={})) for one in (silent, speaking)]
    assert first.HasField("outputs") and not first.HasField("inputs") and second.HasField("inputs")
    kept = [await bench.do("GetExecution", GetExecutionRequest(id=one.id)) for one in (first, second)]
    assert not any(one.HasField("outputs") for one in kept) and kept[1].inputs["text"] == SECRET_IN
    told = {each.name: each.value.number_value for each in first.effective_configuration}
    assert told["temperature"] == 0.5 and "execution_retention" not in told
