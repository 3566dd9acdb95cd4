"""Executions of programs that were read before: nothing is judged by what other replicas have changed meanwhile.

What is known here is told of no change at all, as if every one were made by another process.
"""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1 import program_alias_pb2 as alias_pb
from ashgrove.program.v1.program_defaults_pb2 import RunDefaults, SetProgramDefaultsRequest
from ashgrove.program.v1.program_requests_pb2 import (
    ArchiveProgramRequest,
    PurgeProgramRequest,
    UpdateProgramRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor, Role
from framework.errors import Failure, IllegalState, InvalidFields, NotFound, NotPermitted
from framework.testing.workbench import Workbench
from services.program.known import Key, Known, Read
from services.program.working import Workshop
from tests.integration.program.making import create_program
from tests.integration.program.test_bounded_executions import asked
from tests.integration.program.test_handed_executions import taken, taking
from tests.integration.program.test_keeping import NEVER, PUBLIC, row_of
from tests.integration.program.test_life_of_programs import create_alias, pairs

__all__ = ["taken"]


class Counted(Known):
    """Counts how often a program was read."""

    reads = 0

    def keep(self, key: Key, read: Read) -> None:
        """Keeps it as ever."""
        self.reads += 1
        super().keep(key, read)


@pytest.fixture
async def known(bench: Workbench, workshop: Workshop, taken: Any) -> AsyncIterator[Counted]:
    """What the API knows, beside a worker that takes what is handed over."""
    async with taking(bench, taken, workshop):
        bench.engine.application.known = Counted()
        yield bench.engine.application.known


async def run(bench: Workbench, program: Any, actor: Actor | None = None, **fields: Any) -> execution_pb2.Execution:
    """Runs a program on a text."""
    request = asked(program, configuration={}, **fields)
    done: execution_pb2.Execution = await bench.do("ExecuteProgram", request, actor)
    return done


async def update(bench: Workbench, program: program_pb2.Program, **fields: Any) -> program_pb2.Program:
    """Changes a program."""
    wanted = program_pb2.Program(id=program.id, **fields)
    request = UpdateProgramRequest(program=wanted, update_mask=FieldMask(paths=list(fields)))
    made: program_pb2.Program = await bench.do("UpdateProgram", request)
    return made


async def reworded(bench: Workbench, program: program_pb2.Program) -> program_pb2.Program:
    """Gives a program another instruction, and so another revision."""
    program.signature_config.instructions = "Tell the language."
    return await update(bench, program, signature_config=program.signature_config)


async def refused(bench: Workbench, program: Any, why: type[Failure], actor: Actor | None = None) -> None:
    """Says that a run is refused, and that nothing is left of it."""
    before = await bench.events("execution.created")
    with pytest.raises(why):
        await run(bench, program, actor)
    assert await bench.events("execution.created") == before


async def test_a_program_is_read_once_and_its_executions_are_alike(bench: Workbench, known: Counted) -> None:
    """The second is told and written down as the first was, though nothing was read for it."""
    program = await create_program(bench)
    first, second = await run(bench, program), await run(bench, program)
    assert known.reads == 1
    rows = [await row_of(bench, each.id) for each in (first, second)]
    same = rows[0].keys() - {"id", "latency_ms", "request_id", "lease_owner", "lease_until", "steps"}
    same -= {name for name in rows[0] if name.endswith("_at")}
    assert [{name: row[name] for name in same} for row in rows] == [{name: rows[0][name] for name in same}] * 2
    for told in (await bench.events("execution.created"), await bench.events("execution.updated")):
        assert [each["resource_id"] for each in told] == [first.id, second.id]
    created = [each["data"] for each in await bench.events("execution.created")]
    assert created[0].keys() == created[1].keys()


async def test_a_changed_program_runs_as_it_is_now(bench: Workbench, known: Counted) -> None:
    """Inputs that it did not know before are no fault, and those that it misses now are one."""
    program = await create_program(bench)
    await run(bench, program)
    wider = program_pb2.Program()
    wider.CopyFrom(program)
    wider.signature_config.inputs.add(name="count", optional=True)
    changed = await update(bench, program, signature_config=wider.signature_config)
    request = asked(program, configuration={})
    request.inputs.update({"count": "3"})
    done = await bench.do("ExecuteProgram", request)
    assert (done.program_revision, done.status) == (changed.revision, execution_pb2.WORK_STATUS_COMPLETED)
    assert known.reads == 2
    del wider.signature_config.inputs[-1]
    wider.signature_config.inputs.add(name="title")
    await update(bench, program, signature_config=wider.signature_config)
    await refused(bench, program, InvalidFields)


async def test_an_earlier_revision_stays_what_it_was(bench: Workbench, known: Counted) -> None:
    """It is known apart from the current one, and read again once anything of the program has changed."""
    program = await create_program(bench)
    await run(bench, program)
    changed = await reworded(bench, program)
    pinned = [await run(bench, program, revision=1) for _ in range(2)]
    current = [await run(bench, program) for _ in range(2)]
    assert [each.program_revision for each in pinned] == [1, 1]
    assert [each.program_revision for each in current] == [changed.revision] * 2
    assert known.reads == 3


async def test_an_archived_program_runs_no_more_and_a_purged_one_is_missing(bench: Workbench, known: Counted) -> None:
    program, purged = await create_program(bench), await create_program(bench, name="never run")
    await run(bench, program)
    stale = known.find((bench.organization_id, program.id, 0))
    await bench.do("ArchiveProgram", ArchiveProgramRequest(id=program.id))
    await refused(bench, program, IllegalState)
    assert stale is not None
    await bench.do("ArchiveProgram", ArchiveProgramRequest(id=purged.id))
    await bench.do("PurgeProgram", PurgeProgramRequest(id=purged.id), bench.admin)
    gone = replace(stale, program=purged)
    known.keep((bench.organization_id, purged.id, 0), gone)
    await refused(bench, purged, NotFound)


async def test_what_one_may_do_is_asked_of_each(bench: Workbench, known: Counted) -> None:
    """What its owner's calls have read is nobody else's to run, in this organization or another, nor once demoted."""
    program = await create_program(bench)
    await run(bench, program)
    await refused(bench, program, NotFound, bench.colleague)
    await refused(bench, program, NotPermitted, replace(bench.user, role=Role.VIEWER))
    assert (await run(bench, program, bench.admin)).status == execution_pb2.WORK_STATUS_COMPLETED
    elsewhere = bench.elsewhere()
    await refused(elsewhere, program, NotFound, elsewhere.admin)
    await update(bench, program, visibility=PUBLIC)
    await run(bench, program)
    await refused(bench, program, NotPermitted, bench.colleague)


async def test_defaults_hold_from_the_moment_they_are_set(bench: Workbench, known: Counted) -> None:
    """The first that an organization sets, and those in their place; what is to be kept is as they say."""
    program = await create_program(bench)
    await run(bench, program)
    for timeout, kept in ((70_000, None), (80_000, NEVER)):
        defaults = RunDefaults(execution_timeout_ms=timeout, execution_retention=kept)
        await bench.do("SetProgramDefaults", SetProgramDefaultsRequest(defaults=defaults), bench.admin)
        for _ in range(2):
            done = await run(bench, program)
            row = await row_of(bench, done.id)
            assert row["timeout_ms"] == timeout and (row["inputs"] is None) == (kept is not None)
    assert known.reads == 3


async def test_an_alias_means_what_it_says_now(bench: Workbench, known: Counted) -> None:
    """Which revision it is is asked each time, and revisions are known."""
    program = await create_program(bench)
    changed = await reworded(bench, program)
    alias = await create_alias(bench, program.id, {1: 1})
    for revision in (1, 1, changed.revision, changed.revision):
        wanted = alias_pb.ProgramAlias(id=alias.id, targets=pairs({revision: 1}))
        await bench.do("UpdateProgramAlias", alias_pb.UpdateProgramAliasRequest(program_alias=wanted))
        assert (await run(bench, program, alias="production")).program_revision == revision
    assert known.reads == 2
