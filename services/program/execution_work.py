"""Does one execution."""

import asyncio
import logging
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_pb2
from psycopg.types.json import Jsonb

from domain.pricing import NANOS, micros
from domain.values import Invalid, normalise
from framework.errors import WriteConflict
from framework.failpoints import Failpoint
from framework.storage import FENCE, Leases, clock_time
from framework.structs import put
from framework.tasks import stopped
from services.program import tracing
from services.program.code.contract import CodeFault
from services.program.keeping import Keeping, inputs_of, keeping_of
from services.program.metering.work import Budget, inside
from services.program.opening import opened
from services.program.pieces import Pieces
from services.program.resources.execution import ENDED, Execution
from services.program.running import ModelAway, ModelRejected, Outcome, class_column, failed_by
from services.program.story import Story
from services.program.waking import topic
from services.program.working import (
    LeaseLost,
    Row,
    Workshop,
    held,
    kept,
    names_of,
    pinned_program,
    state_of,
    training_of,
    work_of,
)

ANSWERED = Failpoint("execution.answered", "an execution is answered and paid for, and its answer not written down")
_log = logging.getLogger(__name__)
# A cancellation takes the work from its worker by the next token; whoever had it last tells what it had come to.
_LEFT = """
UPDATE executions SET cost_micros = %(cost_micros)s, cost_incomplete = %(cost_incomplete)s, latency_ms = %(latency_ms)s,
    input_tokens = %(input_tokens)s, output_tokens = %(output_tokens)s,
    steps = %(steps)s, steps_left_out = %(steps_left_out)s
WHERE organization_id = %(organization)s AND id = %(id)s AND status = 'WORK_STATUS_CANCELLED'
    AND fencing_token = %(token)s + 1
"""


class ExecutionWork:
    """The work on one claimed execution; whoever handed it over gave its program beside it."""

    def __init__(
        self, workshop: Workshop, leases: Leases, row: Row, program: program_pb2.Program | None = None
    ) -> None:
        self.workshop = workshop
        self.leases = leases
        self.row = row
        self.ended: execution_pb2.Execution | None = None
        """What it came to, as whoever asked for it is told; None until then, and when others ended it."""
        self._program = program
        limit = row["max_cost_micros"]
        self.work = work_of(row, Budget(None if limit is None else limit * NANOS))
        self.pieces = Pieces(workshop.database, workshop.engine.hints, row) if row["streamed"] else None
        self.inputs = inputs_of(row)
        self.keeping = Keeping()
        self.story = self.work.story = Story(self.pieces)

    async def do(self) -> execution_pb2.Execution | None:
        """Runs the program once and writes down how it ended."""
        try:
            with tracing.working("execution", self.row), inside(self.work):
                await held(self.workshop, self.leases, self.row, self._told())
        except LeaseLost:
            _log.info("execution %s was stopped or taken over", self.row["id"])
            await self._leave()
        return self.ended

    async def _leave(self) -> None:
        """Notes the steps that a cancelled execution had made until then, and what they cost."""
        left = _took(self._spent()) | self._steps()
        async with self.workshop.database.system() as tx:
            await tx.execute(_LEFT, names_of(self.row) | left)

    async def _told(self) -> None:
        """Runs it, telling whoever follows."""
        if self.pieces is None:
            await self._run()
            return
        await tell(self.workshop, self.row)
        telling = asyncio.create_task(self.pieces.run())
        try:
            await self._run()
        finally:
            await stopped([telling])

    async def _run(self) -> None:
        database = self.workshop.database
        program = self._program or await pinned_program(database, self.row)
        self._keep(keeping_of(program))
        train = await training_of(database, self.row)
        try:
            outcome = await self._bounded(program, train)
        except (ModelAway, ModelRejected, CodeFault) as fault:
            outcome = failed_by(fault)
        if program.type == program_pb2.Program.TYPE_CUSTOM:
            self.story.step(self.inputs, outcome, outcome.trace, "KIND_CODE")
        if (pieces := self.pieces) is not None:
            await kept(lambda again: pieces.written())
        ended = _storable(outcome)
        ANSWERED()
        await kept(lambda again: self._end(ended))

    def _keep(self, keeping: Keeping) -> None:
        """Has nothing written down that the program says is not to be kept."""
        self.keeping = keeping
        self.work.private = not keeping.values
        self.story = self.work.story = Story(self.pieces, values=keeping.values)

    async def _bounded(self, program: program_pb2.Program, train: list[dict[str, Any]]) -> Outcome:
        """Runs the program within its time; what it cost until it was over is told all the same."""
        limit = self.row["timeout_ms"]
        try:
            async with asyncio.timeout(None if limit is None else limit / 1000):
                return await self._outcome(program, train)
        except TimeoutError:
            return self._spent().failed(f"it did not end within {limit} ms", "TIMEOUT")

    def _spent(self) -> Outcome:
        """Returns what its calls took until now, the one that was stopped included."""
        its = self.work.budget
        return Outcome(
            None,
            latency_ms=its.latency_ms,
            input_tokens=its.input_tokens,
            output_tokens=its.output_tokens,
            cost_micros=micros(its.spent_nanos),
            unpriced=its.unpriced,
            estimated=its.estimated,
        )

    async def _outcome(self, program: program_pb2.Program, train: list[dict[str, Any]]) -> Outcome:
        row = self.row
        its_own = {"organization_id": row["organization_id"]}
        async with opened(self.workshop, program, row["configuration"] or {}, train, **its_own) as its:
            return await its.run(self.inputs, row["seed"])

    async def _end(self, outcome: Outcome) -> None:
        call = self.workshop.call(self.row, "ExecuteProgram")
        move = "fail" if outcome.outputs is None else "complete"
        columns = _columns(outcome) | self._left(outcome)
        try:
            ended = await call.settle(Execution, self.row, columns, move=move, fence=FENCE)
        except WriteConflict:
            row = await state_of(self.workshop.database, self.leases, self.row)
            if row is None or row["status"] not in ENDED:
                raise LeaseLost from None
            return  # it was written before, and only the answer was lost
        if outcome.outputs is not None and not self.keeping.outputs:
            put(normalise(dict(outcome.outputs)), ended.outputs)
        self.ended = ended
        if self._program is None:  # else whoever asked hears of it first
            await tell(self.workshop, self.row)

    def _left(self, outcome: Outcome) -> dict[str, Any]:
        """Returns the columns of what is kept, and of what is forgotten by the same statement."""
        outputs = None if outcome.outputs is None else normalise(dict(outcome.outputs))
        told = {"error": self.keeping.words(outcome.error, outcome.error_class)}
        return self.keeping.left(outputs) | told | self._steps()

    def _steps(self) -> dict[str, Any]:
        if not self.keeping.steps:
            return {"steps": None, "steps_left_out": 0}
        return {"steps": Jsonb(self.story.steps), "steps_left_out": self.story.left_out}


async def tell(workshop: Workshop, row: Row) -> None:
    """Tells whoever follows an execution that it has come further."""
    await workshop.engine.hints.publish(topic("execution", row["id"]))


def _storable(outcome: Outcome) -> Outcome:
    try:
        normalise(dict(outcome.outputs or {}))
    except Invalid as invalid:
        return outcome.failed(f"the outputs cannot be kept: {invalid}", "BAD_OUTPUT")
    return outcome


def _columns(outcome: Outcome) -> dict[str, Any]:
    return _took(outcome) | {"error_class": class_column(outcome.error_class), "completed_at": clock_time()}


def _took(outcome: Outcome) -> dict[str, Any]:
    names = ("latency_ms", "input_tokens", "output_tokens", "cost_micros", "cost_incomplete")
    return {name: getattr(outcome, name) for name in names}
