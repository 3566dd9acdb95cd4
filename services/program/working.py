"""What every piece of work shares: its lease, the loading of what it pins, writing down what is paid for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ashgrove.program.v1 import program_pb2

from domain.seeds import digest
from framework.call import Context, service_actor
from framework.engine import Call, Engine
from framework.errors import DeadlinePassed, DependencyUnavailable, Failure
from framework.resource import spec_of
from framework.storage import Database, Leases, codec_of
from framework.tasks import stopped
from services.program.bounds import Bounds
from services.program.code.pool import Workers
from services.program.connectors.desk import Desk
from services.program.defaults import kept_defaults
from services.program.metering.work import Budget, Work
from services.program.resources.program import Program
from services.program.running import PrepareRunner
from services.program.scoring.likeness import Embed, weak
from services.program.waking import LEASE_SECONDS

RENEW_SECONDS = 2.5
_WRITES = 60
LOOK_SECONDS = 0.3
Row = Mapping[str, Any]

_PROGRAM = """
SELECT p.*, r.content,
    coalesce(d.defaults -> 'execution_retention', '{}') || coalesce(p.execution_retention, '{}') AS execution_retention
FROM programs p LEFT JOIN program_defaults d ON d.organization_id = p.organization_id
JOIN programs_revisions r ON r.organization_id = p.organization_id AND r.id = p.id AND r.revision = %(revision)s
WHERE p.organization_id = %(organization)s AND p.id = %(id)s
"""
_EXAMPLES = """
SELECT id, inputs, outputs, position FROM examples
WHERE organization_id = %(organization)s AND dataset_id = %(dataset)s AND split = %(split)s AND revision <= %(revision)s
ORDER BY position LIMIT %(most)s
"""
MOST_TRAINING = 20_000
"""How many training examples a program learns from: the first ones."""
_UNSAID = "PURPOSE_UNSPECIFIED"
_STATE = """
SELECT *, clock_timestamp() AS now FROM {table}
WHERE organization_id = %(organization)s AND id = %(id)s AND fencing_token = %(token)s AND lease_owner = %(owner)s
"""


class LeaseLost(Exception):  # noqa: N818 - what happened
    """Somebody else has the work, or it was ended from outside: this worker's writes are void."""


@dataclass(frozen=True)
class Workshop:
    """What a worker works with."""

    engine: Engine
    prepare: PrepareRunner
    embed: Embed = weak
    """What makes vectors of texts."""
    workers: Workers = field(default_factory=Workers)
    """Where registered code runs."""
    bounds: Bounds = Bounds()
    """What registered code may take."""
    at_once: int = 4
    """How many examples of one evaluation run at a time."""
    evaluations_at_once: int = 4
    prepare_with_tools: Any = None
    """Makes a program with tools ready, as `prepare` does the others; without it there are none."""
    outside: Any = None
    """The way to tools on the network; without it there is none."""
    desk: Desk | None = None
    """Where connectors are asked, checked and tested; without one there are none."""

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.engine.database

    def call(self, row: Row, action: str) -> Call:
        """Returns a call as the service itself, in the organization whose work it is."""
        actor = service_actor("program", row["organization_id"])
        return self.engine.call(Context(actor, action, row["request_id"], time.monotonic() + 30.0))


def names_of(row: Row) -> dict[str, Any]:
    """Returns what the statements about a leased row are told."""
    return {"organization": row["organization_id"], "id": row["id"], "token": row["fencing_token"]}


def work_of(row: Row, budget: Budget | None = None) -> Work:
    """Returns whose work a leased row is, for the books of model calls."""
    work = Work(row["organization_id"], row["id"], row["owner_id"], budget=budget or Budget())
    work.defaults = kept_defaults(row["defaults"]).parameters
    said = row.get("purpose", _UNSAID)  # what an execution may say, and an evaluation need not
    if said != _UNSAID:
        work.purpose = said.removeprefix("PURPOSE_")
    return work


async def pinned_program(database: Database, row: Row) -> program_pb2.Program:
    """Returns the program with the content of the revision that a piece of work pins, and what is to be kept now."""
    names = {"organization": row["organization_id"], "id": row["program_id"], "revision": row["program_revision"]}
    (found,) = await database.once(_PROGRAM, names)  # revisions are never deleted
    program: program_pb2.Program = codec_of(spec_of(Program)).message({**found, **found["content"]})
    return program


async def training_of(database: Database, row: Row) -> list[dict[str, Any]]:
    """Returns what a program learns from in a piece of work: not all of a split that is longer than memory would be."""
    return await examples_of(database, row, "SPLIT_TRAIN", MOST_TRAINING)


async def examples_of(database: Database, row: Row, split: str, most: int | None = None) -> list[dict[str, Any]]:
    """Returns a split's examples up to the dataset revision that a piece of work pins, in order; none without one."""
    if row["dataset_id"] is None:
        return []
    names = {"organization": row["organization_id"], "dataset": row["dataset_id"], "split": split}
    return await database.once(_EXAMPLES, names | {"revision": row["dataset_revision"], "most": most})


def example_seed(seed: int, position: int, repeat: int = 0) -> int:
    """Returns the seed of one example of an evaluation, whoever runs it and in whatever order."""
    return digest(seed, "example", position, repeat, size=8) & (2**63 - 1)


async def kept(write: Callable[[bool], Awaitable[None]]) -> None:
    """Writes down what is paid for, again after a moment while the database is away: none of it must be paid twice.

    `write` is told whether it was tried before: then it may be written already, and only the answer was lost.
    """
    for attempt in range(_WRITES):
        try:
            await write(attempt > 0)
            return
        except (DependencyUnavailable, DeadlinePassed):
            if attempt == _WRITES - 1:
                raise
            await asyncio.sleep(0.5)


async def held(workshop: Workshop, leases: Leases, row: Row, work: Coroutine[Any, Any, None], stop: Any = None) -> None:
    """Does the work while the lease holds; raises LeaseLost, the work stopped in its middle, once it does not."""
    tasks = [asyncio.create_task(work)]
    try:
        done, _ = await asyncio.wait(tasks, timeout=LOOK_SECONDS)  # most of it is over before there is any need to look
        if not done:
            tasks.append(asyncio.create_task(_hold(workshop.database, leases, row, stop)))
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        first = next(task for task in tasks if task.done())
        first.result()
    finally:
        await stopped(tasks)


async def _hold(database: Database, leases: Leases, row: Row, stop: Callable[[Row], Awaitable[bool]] | None) -> None:
    """Looks at the row and renews its lease until the work is somebody else's, ended, or to be stopped."""
    renewed = time.monotonic()
    while True:
        # A database that is away is waited for: the fencing token voids whatever would be too late.
        with suppress(Failure):
            state = await state_of(database, leases, row)
            if state is None or state["status"] != "WORK_STATUS_RUNNING" or (stop and await stop(state)):
                raise LeaseLost
            if time.monotonic() - renewed > RENEW_SECONDS:
                renewed = time.monotonic()
                await leases.renew(dict(row), LEASE_SECONDS)
        await asyncio.sleep(LOOK_SECONDS)


async def state_of(database: Database, leases: Leases, row: Row) -> Row | None:
    """Returns a leased row as it is now, with the database's time; None when somebody else has it."""
    found = await database.once(_STATE.format(table=leases.table), names_of(row) | {"owner": row["lease_owner"]})
    return found[0] if found else None
