"""External runs made through the real services: their spaces and programs, define-by-run, Optuna's studies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.errors import FailedPrecondition
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import ForkOptimizationRunRequest
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.program_requests_pb2 import ArchiveProgramRequest
from ashgrove.variables.v1.variable_space_pb2 import BooleanDomain, VariableSpace
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from grpc import aio

from framework.call import Actor
from framework.errors import IllegalState, InvalidFields, NotFound
from framework.rpc.identity import Verifier
from framework.rpc.interceptors import interceptors
from framework.rpc.servicer import handlers_of
from tests.integration.optimizer.books import told
from tests.integration.optimizer.neighbourhood import Neighbourhood, _keys_of

Run = run_pb.OptimizationRun
LOSS = run_pb.Objective(metric="loss", direction=run_pb.Objective.DIRECTION_MINIMIZE)


@asynccontextmanager
async def gateway(around: Neighbourhood) -> AsyncIterator[str]:
    """Serves the variables service and the optimizer at one address, as the gateway does."""
    assert around.variables_bench is not None
    server = aio.server(interceptors=interceptors(Verifier(_keys_of(around.house))))
    engines = (around.variables_bench.engine, around.optimizer.engine)
    server.add_generic_rpc_handlers(tuple(one for engine in engines for one in handlers_of(engine)))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def client_of(around: Neighbourhood, actor: Actor, address: str) -> Client:
    return Client(address, api_key=around.house.tokens.issue_identity(actor).text)


async def external(around: Neighbourhood, actor: Actor, **fields: object) -> Run:
    usual = {
        "variable_space_id": (await around.space(actor)).id,
        "strategy": Run.STRATEGY_RANDOM,
        "objectives": [LOSS],
        "max_trials": 4,
        "evaluator": Run.EVALUATOR_EXTERNAL,
    }
    return await around.start(actor, Run(**(usual | fields)))  # type: ignore[arg-type]


async def test_what_a_run_is_made_of_is_asked_of_its_services(around: Neighbourhood) -> None:
    """Pinned as it is there; what is hidden or archived is refused, and so is what only the platform can keep."""
    owner, other = await around.person(), await around.person()
    program, dataset = await around.program(owner), await around.dataset(owner)
    run = await external(around, owner, program_id=program.id, dataset_id=dataset.id)
    assert (run.program_revision, run.variable_space_revision, run.dataset_revision) == (1, 1, dataset.revision)
    asked = await around.do(owner, "SuggestTrials", pb.SuggestTrialsRequest(id=run.id, client="a"))
    assert set(asked.trials[0].configuration.fields) == {"temperature"}
    events = await told(around.optimizer, {"organization_id": owner.organization_id, "id": run.id})
    assert [each.type for each in events][:2] == [RunEvent.TYPE_RUN_CREATED, RunEvent.TYPE_RUN_STARTED]
    with pytest.raises(NotFound):
        await external(around, other, program_id=program.id)
    with pytest.raises(InvalidFields) as holdout:
        await external(around, owner, dataset_id=dataset.id, holdout=Run.HOLDOUT_ON)
    assert [each.path for each in holdout.value.violations] == ["optimization_run.holdout"]
    await around.do(owner, "ArchiveProgram", ArchiveProgramRequest(id=program.id), "program")
    with pytest.raises(IllegalState):
        await external(around, owner, program_id=program.id)


async def test_a_client_defines_its_space_while_it_runs(around: Neighbourhood) -> None:
    """Values are asked for by name; what a trial did not ask for is not told; another domain is refused."""
    owner = await around.person()
    run = await external(around, owner, max_trials=6)

    def works(address: str) -> list[Any]:
        seen = []
        with client_of(around, owner, address) as client:
            for trial in client.runs.defining(run.id, "me"):
                if trial.suggest_categorical("kind", ["flat", "deep"]) == "deep":
                    loss = trial.suggest_int("layers", 1, 9) / 10
                else:
                    loss = trial.suggest_float("rate", 0.001, 1, log=True)
                if trial.number == 6:
                    with pytest.raises(FailedPrecondition):
                        trial.suggest_float("kind", 0, 1)
                trial.tell({"loss": loss})
            seen = [dict(each.configuration) for each in client.runs.trials(run.id)]
            assert client.runs.get(run.id).status == Run.STATUS_COMPLETED
        return seen

    async with gateway(around) as address:
        seen = await asyncio.to_thread(works, address)
    kinds = [("kind", "layers") if each["kind"] == "deep" else ("kind", "rate") for each in seen]
    assert len(seen) == 6 and [tuple(sorted(each)) for each in seen] == kinds


async def test_what_another_run_has_tried_is_not_tried_again(around: Neighbourhood) -> None:
    """A fork of a small space that was tried whole has nothing left to try: its clients are given nothing."""
    owner = await around.person()
    space = VariableSpace(name="a pair")
    space.variables.add(name="on", boolean=BooleanDomain())
    made = await around.do(owner, "CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space), "variables")
    run = await external(around, owner, variable_space_id=made.id, max_trials=30)
    asked = pb.SuggestTrialsRequest(id=run.id, client="a", count=2)
    given = await around.do(owner, "SuggestTrials", asked)
    assert len(given.trials) == 2
    told = [pb.TrialCompletion(number=each.number, objectives={"loss": 0.5}) for each in given.trials]
    await around.do(owner, "CompleteTrials", pb.CompleteTrialsRequest(id=run.id, client="a", completions=told))
    fork = await around.do(owner, "ForkOptimizationRun", ForkOptimizationRunRequest(id=run.id))
    answer = await around.do(owner, "SuggestTrials", pb.SuggestTrialsRequest(id=fork.id, client="a"))
    assert not answer.trials and answer.standing.end_reason == Run.END_REASON_EXHAUSTED
