"""A worker process that is killed: another one finishes its work, and no finished example is paid twice."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from ashgrove.program.v1 import execution_pb2

from deploy.local.ports import free_port
from framework.identifiers import new_id
from framework.testing.waiting import until
from framework.testing.workbench import PASSWORD, Workbench
from services.program.working import Workshop
from tests.integration.program.making import create_dataset, create_program, evaluation, frames, results_of, working
from tests.integration.program.test_bounded_executions import asked
from tests.integration.program.test_keeping import NEVER, row_of

ROOT = Path(__file__).parents[3]
SERVICES = ("auth", "program", "variables", "optimizer", "audit")


@asynccontextmanager
async def worker_process(
    database_url: str, folder: Path, *more: Path, failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker as a process of its own, killed without a word at the end; it finds modules in more folders too."""
    (folder / "page-token.key").write_text("00" * 32)
    (folder / "program.secret").write_text("nobody is asked with it")
    settings = {f"{service}_address": "127.0.0.1:1" for service in SERVICES} | {
        "service_port": str(free_port()),
        "database_url": database_url,
        "database_password": PASSWORD,
        "redis_url": "redis://127.0.0.1:1",
        "secrets": str(folder),
        "failpoint": failpoint,
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "client", *more)))}
    environment |= {f"ASHGROVE_{name.upper()}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.program", "worker", env=environment, cwd=ROOT
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # it may have died by itself
            process.kill()
        await process.wait()


async def test_a_killed_worker_is_taken_over_and_no_finished_example_is_paid_twice(
    bench: Workbench, program_url: str, tmp_path: Path
) -> None:
    """What it had finished stays as it was, to the token; the stream goes on as if nothing had happened."""
    made, dataset = await create_program(bench), await create_dataset(bench, train=200, validation=600)
    wanted = {"demonstration_count": 60, "demonstration_selection": "nearest"}
    request = evaluation(made, dataset, evaluation_id=str(new_id()), configuration=wanted)
    stream = frames(bench, request)
    sequences = []
    async with worker_process(program_url, tmp_path, failpoint="result.kept=20") as process:
        async for frame in stream:
            sequences += [frame.item.sequence] if frame.WhichOneof("frame") == "item" else []
            if len(sequences) == 20:
                break
        await process.wait()
    before = await results_of(bench, request.evaluation_id)
    assert 20 <= len(before) < 600
    request.from_sequence = 20
    async with worker_process(program_url, tmp_path):
        async for frame in frames(bench, request):
            last = frame
            sequences += [frame.item.sequence] if frame.WhichOneof("frame") == "item" else []
    after = await results_of(bench, request.evaluation_id)
    assert last.evaluation.status == execution_pb2.WORK_STATUS_COMPLETED
    assert sequences == list(range(1, 601)) and after[: len(before)] == before
    assert len({r.example_id for r in after}) == 600
    assert last.evaluation.input_tokens == sum(r.input_tokens for r in after)


async def test_what_a_killed_worker_only_held_is_there_for_the_next_and_goes_with_the_end(
    bench: Workbench, workshop: Workshop, program_url: str, tmp_path: Path
) -> None:
    """Inputs that are not kept outlive the worker that died with the answer, and rest nowhere once another has it."""
    program = await create_program(bench, execution_retention=NEVER)
    begun = await bench.do("ExecuteProgram", asked(program, configuration={}, detached=True))
    async with worker_process(program_url, tmp_path, failpoint="execution.answered") as process:
        await process.wait()
    left = await row_of(bench, begun.id)
    assert left["status"] == "WORK_STATUS_RUNNING" and left["inputs"] is None
    assert left["inputs_held"] == {"text": "hav och fjäll"} and left["outputs_held"] is None
    async with bench.database.system() as tx:  # as in eight seconds
        await tx.execute("UPDATE executions SET lease_until = now() WHERE id = %(id)s", {"id": begun.id})

    async def ended() -> bool:
        return bool((await row_of(bench, begun.id))["completed_at"])

    async with working(workshop):
        await until(ended)
    row = await row_of(bench, begun.id)
    assert (row["status"], row["fencing_token"]) == ("WORK_STATUS_COMPLETED", 2) and row["outputs_held"]
    assert row["inputs"] is row["inputs_held"] is row["outputs"] is None and "hav" not in str(row)
