"""The worker: takes executions and evaluations that nobody holds, and does them; any number may run at once."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_pb2

from framework.errors import Failure
from framework.failpoints import Failpoint
from framework.identifiers import new_id
from framework.storage import Leases
from framework.tasks import stopped
from services.program.code.contract import WorkersClosed
from services.program.connectors.probe_work import OPEN as PROBES_OPEN
from services.program.connectors.probe_work import ProbeWork
from services.program.evaluation_work import EvaluationWork
from services.program.execution_work import ExecutionWork
from services.program.pieces import sweep
from services.program.waking import EVALUATIONS, EXECUTIONS, LEASE_SECONDS, PROBES, WORK, Bell
from services.program.working import Row, Workshop

CLAIMED = Failpoint("work.claimed", "a worker holds an evaluation or an execution, and has not begun with it")
_log = logging.getLogger(__name__)
_OPEN = "status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING')"
_BEGINS = "status = 'WORK_STATUS_RUNNING', started_at = coalesce(started_at, clock_timestamp())"
_GIVE_UP_PROBE = """
UPDATE connector_probes SET said = '{"error": "a fault of ours stopped it", "error_class": "INTERNAL"}'
WHERE organization_id = %(organization_id)s AND id = %(id)s AND fencing_token = %(fencing_token)s
"""
_GIVE_UP = """
UPDATE {table} SET status = 'WORK_STATUS_FAILED', error = 'a fault of ours stopped it',
    error_class = 'ERROR_CLASS_INTERNAL', completed_at = clock_timestamp(){forgetting}
WHERE organization_id = %(organization_id)s AND id = %(id)s AND fencing_token = %(fencing_token)s
"""
SWEEP_SECONDS = 2.0
GRACE_SECONDS = 5.0
"""How long a worker leaves its own lease on an evaluation after its end, and every one after a start of the database,
to whoever works there: to be renewed."""
EXECUTIONS_AT_ONCE = 4
PROBES_AT_ONCE = 2
Work = Callable[[Workshop, Leases, Row], Any]


class Worker:
    """One worker: a few evaluations at a time, and a few executions beside them."""

    def __init__(self, workshop: Workshop, name: str = "") -> None:
        self.workshop = workshop
        self.name = name or str(new_id())
        lanes = {EVALUATIONS: workshop.evaluations_at_once, EXECUTIONS: EXECUTIONS_AT_ONCE, PROBES: PROBES_AT_ONCE}
        self._bells = {table: Bell(most) for table, most in lanes.items()}
        # What a claim says is only kept once the end is, which waits for the disk.
        self._executions = Leases(workshop.database, EXECUTIONS, _OPEN, _BEGINS, durable=False)

    async def run(self) -> None:
        """Works until cancelled; what it was doing then is free for others at once."""
        database = self.workshop.database
        evaluations = Leases(database, EVALUATIONS, _OPEN, _BEGINS, grace_seconds=GRACE_SECONDS)
        lanes = [self._lane(evaluations, EvaluationWork) for _ in range(self.workshop.evaluations_at_once)]
        lanes += [self._lane(self._executions, ExecutionWork) for _ in range(EXECUTIONS_AT_ONCE)]
        if self.workshop.desk:
            probes = Leases(database, PROBES, PROBES_OPEN)
            lanes += [self._lane(probes, ProbeWork) for _ in range(PROBES_AT_ONCE)]
        # No task group: it cancels once, and a lane that loses that would be waited for without end.
        tasks = [asyncio.create_task(work) for work in (self._listen(), sweep(database), *lanes)]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            ended.pop().result()
        finally:
            await stopped(tasks)

    async def do(self, row: Row, program: program_pb2.Program) -> execution_pb2.Execution | None:
        """Does an execution that was claimed for this worker; None when it came to nothing that this worker wrote."""
        CLAIMED()
        ended: execution_pb2.Execution | None = await self._do(
            self._executions, partial(ExecutionWork, program=program), row
        )
        return ended

    async def _listen(self) -> None:
        async for word in self.workshop.database.listen(WORK, every=SWEEP_SECONDS):
            table, _, count = word.partition(" ")
            if bell := self._bells.get(table):
                bell.ring(int(count))
            else:  # nobody told: whoever is free looks what others left
                for bell in self._bells.values():
                    bell.ring()

    async def _lane(self, leases: Leases, work: Work) -> None:
        bell = self._bells[leases.table]
        while True:
            try:
                row = await leases.claim(self.name, LEASE_SECONDS)
                if row is None:
                    await bell.heard()
                else:
                    CLAIMED()
                    await self._do(leases, work, row)
            except Failure as failure:
                _log.warning("%s: %s; trying again", leases.table, failure)
                await asyncio.sleep(1.0)

    async def _do(self, leases: Leases, work: Work, row: Row) -> Any:
        try:
            return await work(self.workshop, leases, row).do()
        except asyncio.CancelledError:
            await leases.release(dict(row))
            raise
        except WorkersClosed:  # the process is stopping: the same
            await leases.release(dict(row))
        except Failure:
            raise  # the database or the deadline: the lease runs out, and somebody tries again
        except Exception:
            _log.exception("%s %s stopped by a fault", leases.table, row["id"])
            await self._give_up(leases, row)
        return None

    async def _give_up(self, leases: Leases, row: Row) -> None:
        forgetting = ", inputs_held = NULL" if leases.table == EXECUTIONS else ""
        statement = (
            _GIVE_UP_PROBE if leases.table == PROBES else _GIVE_UP.format(table=leases.table, forgetting=forgetting)
        )
        async with self.workshop.database.system() as tx:
            await tx.execute(statement, dict(row))
