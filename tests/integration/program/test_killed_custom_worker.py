"""A worker process that is killed while custom code runs beside it: its children die, and another goes on."""

import asyncio
from pathlib import Path

from ashgrove.program.v1 import execution_pb2

from framework.identifiers import new_id
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.conftest import PROGRAMS
from tests.integration.program.making import create_custom, create_texts, evaluated, evaluation
from tests.integration.program.test_killed_worker import worker_process


async def test_custom_code_dies_with_its_worker_and_nothing_finished_is_run_again(
    bench: Workbench, coded: Workshop, program_url: str, tmp_path: Path
) -> None:
    """Another worker takes over and runs what was in flight, and the rest."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 4)
    log, gate = tmp_path / "log", tmp_path / "gate"
    parameters = {"wait": ["ccc"], "log": str(log), "gate": str(gate)}
    made_id = str(new_id())
    request = evaluation(made, dataset, metrics=["letters"], evaluation_id=made_id, configuration=parameters)
    stream = asyncio.create_task(evaluated(bench, request))

    async def waits() -> bool:
        if not log.exists() or "ccc" not in log.read_text():
            return False
        async with bench.database.system() as tx:  # what is answered and not committed is in flight, too
            kept = await tx.fetch("SELECT FROM evaluation_results WHERE evaluation_id = %(id)s", {"id": made_id})
        return len(kept) == 2

    async with worker_process(program_url, tmp_path, PROGRAMS) as first:
        await until(waits)
        children = children_of(first.pid)
        assert children
    await until(lambda: gone(children))
    gate.touch()
    async with worker_process(program_url, tmp_path, PROGRAMS):
        results, ended = await stream
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and len(results) == 4
    assert log.read_text().split() == ["a", "bb", "ccc", "ccc", "dddd"]


def children_of(pid: int) -> list[int]:
    """Returns the children of a process."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def gone(pids: list[int]) -> bool:
    """Says whether none of these processes runs any more."""
    return not any(map(runs, pids))


def runs(pid: int) -> bool:
    """Says whether a process runs; one that nobody has buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
