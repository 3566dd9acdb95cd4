"""Makes runs without their peers, and what a worker that holds one has in hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ashgrove.optimizer.v1 import optimization_run_pb2 as pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent

from framework.engine import Call
from framework.errors import GrantLost
from framework.identifiers import new_id
from framework.rpc.assembly import Parts
from framework.storage import Leases
from framework.testing.workbench import Workbench
from services.optimizer import story
from services.optimizer.ledger import Ledger
from services.optimizer.resources import OptimizationRun
from services.optimizer.warm import WarmRuns
from services.optimizer.watched import Watched

MIGRATIONS = Path(__file__).parents[3] / "services" / "optimizer" / "migrations"
CLAIMABLE = "status IN ('STATUS_PENDING', 'STATUS_RUNNING', 'STATUS_CANCELLING')"
_USUAL: dict[str, Any] = {
    "objectives": [pb.Objective(metric="exact_match")],
    "strategy": pb.OptimizationRun.STRATEGY_RANDOM,
    "max_trials": 3,
    "parallelism": 1,
}


class Grants:
    """Stands where the peers would, and remembers which grants were ended; none can be used."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.tokens = self
        self.watched = Watched()
        self.warm = WarmRuns()

    async def end_grant(self, grant_id: object) -> None:
        """Notes the end of a grant."""
        self.ended.append(str(grant_id))

    async def exchange(self, grant_id: str) -> str:
        """Refuses: there is nobody to call."""
        raise GrantLost("there are no peers here", cause="no such grant")


async def started(bench: Workbench, by: Call | None = None, **fields: Any) -> dict[str, Any]:
    """Returns the row of a new run of the user, or of who else makes the call."""
    call = by or bench.engine.call(bench.context(bench.user, "CreateOptimizationRun"))
    ids: dict[str, Any] = {name: str(new_id()) for name in ("program_id", "variable_space_id", "dataset_id")}
    run = pb.OptimizationRun(**(ids | _USUAL | fields))
    identifier = str(new_id())
    await call.create(OptimizationRun, run, hidden={"grant_id": new_id()}, identifier=identifier)
    return await call.row(OptimizationRun, identifier)


def parts_of(bench: Workbench) -> Parts:
    """Returns a process's parts as the bench has them."""
    parts: Any = SimpleNamespace(engine=bench.engine, database=bench.database, hints=bench.engine.hints)
    return parts  # type: ignore[no-any-return]


def leases_of(bench: Workbench) -> Leases:
    """Returns the leases on runs."""
    return Leases(bench.database, "optimization_runs", CLAIMABLE)


def ledger(bench: Workbench, row: dict[str, Any]) -> Ledger:
    """Returns the books of a worker that holds the row."""
    return Ledger(parts_of(bench), leases_of(bench), row)


async def alone(bench: Workbench, row: dict[str, Any]) -> None:
    """Leaves one run only for workers to take: the queue is the whole database's."""
    async with bench.database.system() as tx:
        await tx.execute("UPDATE optimization_runs SET lease_until = NULL WHERE id = %(id)s", row)
        await tx.execute("UPDATE optimization_runs SET lease_until = now() + interval '1 hour' WHERE id <> %(id)s", row)


async def claimed(bench: Workbench, row: dict[str, Any]) -> dict[str, Any]:
    """Returns the row as its next worker has it."""
    await alone(bench, row)
    taken = await leases_of(bench).claim("worker")
    assert taken is not None and taken["id"] == row["id"]
    return taken


async def told(bench: Workbench, row: dict[str, Any], after: int = 0) -> list[RunEvent]:
    """Returns the run's story."""
    async with bench.database.tenant(row["organization_id"]) as tx:
        return await story.read(tx, row, after)
