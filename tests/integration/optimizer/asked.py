"""Makes external runs without their peers, and does what their clients do."""

from typing import Any

from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from ashgrove.variables.v1 import variable_space_pb2

from framework.testing.workbench import Workbench
from services.optimizer.external.space import keep
from tests.integration.optimizer.books import started, told

Run = run_pb.OptimizationRun
Kind = RunEvent
UP, DOWN = run_pb.Objective.DIRECTION_MAXIMIZE, run_pb.Objective.DIRECTION_MINIMIZE
OBJECTIVE = run_pb.Objective(metric="gain", direction=UP, low=0, high=1, reference=0)


def two_numbers() -> variable_space_pb2.VariableSpace:
    """Returns what the runs search unless they say otherwise."""
    space = variable_space_pb2.VariableSpace()
    space.variables.add(name="x", float=variable_space_pb2.FloatDomain(low=0, high=1))
    space.variables.add(name="n", integer=variable_space_pb2.IntegerDomain(low=1, high=4))
    return space


async def opened(bench: Workbench, space: variable_space_pb2.VariableSpace | None = None, **fields: Any) -> str:
    """Returns the id of a new external run."""
    usual = {"objectives": [OBJECTIVE], "evaluator": Run.EVALUATOR_EXTERNAL, "max_trials": 10, "parallelism": 0}
    row = await started(bench, **(usual | fields))
    async with bench.database.tenant(row["organization_id"]) as tx:
        await keep(tx, row, space or two_numbers(), None)
    return str(row["id"])


async def ask(bench: Workbench, run: str, client: str = "a", count: int = 1, **fields: Any) -> Any:
    return await bench.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client=client, count=count, **fields))


async def tell(bench: Workbench, run: str, client: str, *completions: pb.TrialCompletion) -> Any:
    return await bench.do("CompleteTrials", pb.CompleteTrialsRequest(id=run, client=client, completions=completions))


def reached(number: int, gain: float = 0.5, **fields: Any) -> pb.TrialCompletion:
    return pb.TrialCompletion(number=number, objectives={"gain": gain}, **fields)


async def now(bench: Workbench, run: str) -> Run:
    return await bench.do("GetOptimizationRun", run_rpc.GetOptimizationRunRequest(id=run))  # type: ignore[no-any-return]


async def trials(bench: Workbench, run: str) -> list[trial_pb2.Trial]:
    return list((await bench.do("ListTrials", ListTrialsRequest(optimization_run_id=run, order_by="number"))).trials)


async def let_end(bench: Workbench, run: str, *numbers: int) -> None:
    """Has the leases on trials end, as time does."""
    async with bench.database.system() as tx:
        await tx.execute(
            """UPDATE trials SET lease_until = now() - interval '1 second', lock_version = lock_version + 1
               WHERE optimization_run_id = %(run)s AND number = ANY(%(numbers)s)""",
            {"run": run, "numbers": list(numbers)},
        )


def numbers(answer: Any) -> list[int]:
    return [each.number for each in answer.trials]


async def story(bench: Workbench, run: str) -> list[Any]:
    return [e.type for e in await told(bench, {"organization_id": bench.organization_id, "id": run})]
