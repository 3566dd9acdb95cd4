"""Work on evaluations, held where a test wants it, and what is seen of it meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import EvaluateProgramRequest, GetEvaluationRequest

from framework.identifiers import new_id
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.running import Outcome, PrepareRunner, Run
from services.program.waking import EVALUATIONS, WORK, left
from services.program.worker import GRACE_SECONDS
from services.program.working import Workshop
from tests.integration.program.making import (
    create_dataset,
    create_program,
    evaluated,
    evaluation,
    results_of,
    working,
)


class Gate:
    """Counts the runs that pass it and holds all after the first few until it is opened."""

    def __init__(self, inner: PrepareRunner, free: int) -> None:
        self.inner = inner
        self.free = free
        self.inputs: list[str] = []
        self.full = asyncio.Event()
        self.opened = asyncio.Event()
        self.waiting = 0

    async def prepare(
        self, program: program_pb2.Program, configuration: Mapping[str, Any], train: Sequence[Any]
    ) -> Run:
        """Prepares the real runner behind the gate."""
        inner = await self.inner(program, configuration, train)

        async def run(inputs: Mapping[str, Any], seed: int) -> Outcome:
            if len(self.inputs) >= self.free:
                self.full.set()
                self.waiting += 1
                try:
                    await self.opened.wait()
                finally:
                    self.waiting -= 1
            self.inputs.append(inputs["text"])
            return await inner(inputs, seed)

        return run


@asynccontextmanager
async def in_its_middle(
    bench: Workbench, workshop: Workshop, free: int, at_once: int
) -> AsyncIterator[tuple[Gate, EvaluateProgramRequest, "asyncio.Task[Any]"]]:
    """An evaluation of which so many examples are finished, and no other comes through the gate; and who follows it."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    gate = Gate(workshop.prepare, free)
    request = evaluation(made, dataset, evaluation_id=str(new_id()))
    async with working(replace(workshop, prepare=gate.prepare, at_once=at_once)):
        stream = asyncio.create_task(evaluated(bench, request))
        await gate.full.wait()
        await until(lambda: finished(bench, request.evaluation_id, free))
        yield gate, request, stream


async def at_rest(gate: Gate) -> bool:
    """Whether nobody waits at a gate: the worker has heard of it too that the evaluation is paused."""
    return not gate.waiting


async def wake(bench: Workbench) -> None:
    """Has every free place of a worker look for an evaluation."""
    async with bench.database.system() as tx:
        await bench.database.notify(tx, WORK, left(EVALUATIONS))


async def leased(bench: Workbench, identifier: str) -> bool:
    """Says whether somebody holds an evaluation."""
    async with bench.database.system() as tx:
        sql = "SELECT lease_until > clock_timestamp() AS held FROM evaluations WHERE id = %(id)s"
        return bool((await tx.fetch(sql, {"id": identifier}))[0]["held"])


async def token(bench: Workbench, identifier: str) -> int:
    """Returns how often an evaluation was claimed or taken from its worker."""
    async with bench.database.system() as tx:
        (found,) = await tx.fetch("SELECT fencing_token FROM evaluations WHERE id = %(id)s", {"id": identifier})
    return int(found["fencing_token"])


async def finished(bench: Workbench, identifier: str, count: int) -> bool:
    """Says whether so many examples are finished."""
    return len(await results_of(bench, identifier)) >= count


async def paused(bench: Workbench, get: GetEvaluationRequest) -> bool:
    """Says whether an evaluation is paused."""
    return bool((await bench.do("GetEvaluation", get)).status == execution_pb2.WORK_STATUS_PAUSED)


async def expire(bench: Workbench, identifier: str) -> None:
    """Lets the first lease of an evaluation run out, and the one who holds it not know; others may begin at once."""
    await until(lambda: _settled(bench))
    async with bench.database.system() as tx:
        await tx.execute(
            """UPDATE evaluations SET lease_until = clock_timestamp() - interval '1 second'
               WHERE id = %(id)s AND fencing_token = 1""",
            {"id": identifier},
        )


async def taken_over(bench: Workbench, identifier: str) -> bool:
    """Says whether another has an evaluation by now; else its first lease ends, which its holder may have renewed."""
    if await token(bench, identifier) > 1:
        return True
    await expire(bench, identifier)
    await wake(bench)
    return False


async def _settled(bench: Workbench) -> bool:
    """Tells whether the database has run for longer than leases are left for once it has started."""
    settled = "SELECT pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(grace)s) AS it"
    async with bench.database.system() as tx:
        row = await tx.fetch_one(settled, {"grace": GRACE_SECONDS})
    return row is not None and bool(row["it"])
