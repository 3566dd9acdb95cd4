"""Runs that tell their metrics something, over the real program service."""

from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.program.v1.evaluation_requests_pb2 import GetEvaluationRequest

from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import has, trials

COMPLETED = run_pb.OptimizationRun.STATUS_COMPLETED


async def test_an_objective_tells_its_metric_what_it_needs(around: Neighbourhood) -> None:
    """In every trial, so that what must be told something can be made better."""
    owner = await around.person()
    objective = run_pb.Objective(metric="regex")
    objective.metric_params.update({"pattern": "^[a-z]+$"})
    async with around.working():
        run = await around.start(owner, await around.wanted(owner, max_trials=1, objectives=[objective]))
        await has(around, owner, run, COMPLETED)
    assert run.objectives[0].metric_params["pattern"] == "^[a-z]+$"
    (trial,) = await trials(around, owner, run)
    assert trial.objectives["regex"] == 1.0
    found = await around.do(owner, "GetEvaluation", GetEvaluationRequest(id=trial.evaluation_id), "program")
    assert found.metric_params["regex"]["pattern"] == "^[a-z]+$"
