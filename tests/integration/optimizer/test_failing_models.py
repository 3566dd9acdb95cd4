"""Runs over a real model server that fails, stalls and comes back: who waits, who goes on, and what is never passed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.program.v1 import connector_pb2, execution_pb2
from ashgrove.program.v1.connector_requests_pb2 import CreateConnectorRequest
from ashgrove.variables.v1 import variable_space_pb2
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest
from google.protobuf.struct_pb2 import Value

from framework.identifiers import new_id
from framework.testing.waiting import until
from services.optimizer import held, waiting
from services.program.connectors.breaker import Breaker
from services.program.lm import patience
from services.program.metering import lane
from services.program.working import Workshop
from tests.integration.optimizer.books import told
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import act, has, trials
from tests.integration.program.connecting import SV, connected
from tests.models import ModelServer, model_server
from tests.models.script import Reply, Say, Stall

Run, Kind = run_pb.OptimizationRun, RunEvent
AWAY = Reply(503)
SAYS = Say(SV, usage={"prompt_tokens": 60, "completion_tokens": 40})


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for seconds waits for moments."""
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.1)
    monkeypatch.setattr(held, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(patience, "sleep", lambda seconds: asyncio.sleep(seconds / 50))
    monkeypatch.setattr(lane, "Breaker", lambda: Breaker(cool_seconds=0.5))


@asynccontextmanager
async def asking(around: Neighbourhood, folder: Path, at_once: int = 2) -> AsyncIterator[None]:
    """Has programs ask the connectors of the organization."""
    workshop = Workshop(around.program_bench.engine, None, at_once=at_once)  # type: ignore[arg-type]
    async with connected(around.program_bench, workshop, folder) as ready, around.working(workshop=ready):
        yield


async def connect(around: Neighbourhood, **servers: ModelServer) -> None:
    """Makes a connector to each server, as an administrator, by its name."""
    admin = await around.person(role=user_pb2.User.ROLE_ADMIN)
    for name, server in servers.items():
        made = connector_pb2.Connector(name=name, provider="openai", base_url=server.url, model="m1")
        made.prices.add(input_micros=1_000_000, output_micros=1_000_000)
        await around.do(admin, "CreateConnector", CreateConnectorRequest(connector=made), "program")


async def over_models(around: Neighbourhood, user: Any, *models: str, **fields: Any) -> Run:
    """Returns a run over which of these models is asked."""
    space = variable_space_pb2.VariableSpace(name=f"models {new_id()}")
    space.variables.add(
        name="model", choice=variable_space_pb2.ChoiceDomain(choices=[Value(string_value=each) for each in models])
    )
    space.variables.add(name="temperature", float=variable_space_pb2.FloatDomain(low=0.0, high=1.0))
    made = await around.do(user, "CreateVariableSpace", CreateVariableSpaceRequest(variable_space=space), "variables")
    usual = {"variable_space_id": made.id, "ablation": Run.ABLATION_OFF}
    return await around.wanted(user, **(usual | fields))


async def kinds(around: Neighbourhood, run: Any) -> list[Any]:
    row = {"organization_id": around.house.organization_id, "id": run.id}
    return [e.type for e in await told(around.optimizer, row)]


async def test_trials_that_need_a_broken_model_wait_and_others_go_on(around: Neighbourhood, tmp_path: Path) -> None:
    """And when it is back they go on too: nothing has failed, and the run was never paused."""
    user = await around.person()
    async with (
        model_server(otherwise=SAYS) as sound,
        model_server(otherwise=AWAY) as broken,
        asking(around, tmp_path),
    ):
        await connect(around, good=sound, bad=broken)
        wanted = await over_models(around, user, "good", "bad", max_trials=6, seed=3)
        run = await around.start(user, wanted)

        async def others_done() -> bool:
            done = [t for t in await trials(around, user, run) if t.status == t.STATUS_COMPLETED]
            return len(done) >= 2 and Kind.TYPE_TRIAL_WAITING in await kinds(around, run)

        await until(others_done)
        broken.otherwise = SAYS
        await has(around, user, run, Run.STATUS_COMPLETED)
    tried = await trials(around, user, run)
    assert {t.configuration["model"] for t in tried} == {"good", "bad"}
    assert {t.status for t in tried} == {tried[0].STATUS_COMPLETED} and len(tried) == 6


async def test_a_run_that_no_model_answers_pauses_and_resumes_by_itself(around: Neighbourhood, tmp_path: Path) -> None:
    """What is finished is kept and not asked again; in the name of whoever started it, under the same grant."""
    user = await around.person()
    async with model_server(SAYS, SAYS, otherwise=AWAY) as models, asking(around, tmp_path, at_once=1):
        await connect(around, only=models)
        run = await around.start(user, await over_models(around, user, "only", max_trials=1))
        await has(around, user, run, Run.STATUS_PAUSED)
        paused = await act(around, user, "Get", run)
        assert paused.error and paused.HasField("resumes_at")
        models.otherwise = SAYS
        await has(around, user, run, Run.STATUS_COMPLETED)
    (trial,) = await trials(around, user, run)
    assert (trial.finished_count, trial.objectives["exact_match"]) == (4, 1.0)
    assert trial.tokens == 400
    assert len(await around.grants()) == 1
    told_of = await kinds(around, run)
    assert told_of.count(Kind.TYPE_RUN_PAUSED) == told_of.count(Kind.TYPE_RUN_RESUMED) >= 1
    ended = await act(around, user, "Get", run)
    assert not ended.error and not ended.HasField("resumes_at")


async def test_who_pauses_a_waiting_run_by_hand_keeps_it_paused(around: Neighbourhood, tmp_path: Path) -> None:
    """It does not look again by itself any more; resumed, it goes on."""
    user = await around.person()
    async with model_server(otherwise=AWAY) as models, asking(around, tmp_path):
        await connect(around, only=models)
        run = await around.start(user, await over_models(around, user, "only", max_trials=1))
        await has(around, user, run, Run.STATUS_PAUSED)
        assert not (await act(around, user, "Pause", run)).HasField("resumes_at")
        models.otherwise = SAYS
        await act(around, user, "Resume", run)
        await has(around, user, run, Run.STATUS_COMPLETED)


@pytest.mark.parametrize(("limit", "each"), [("metric_calls", 1), ("tokens", 100), ("cost_micros", 100)])
async def test_a_run_passes_no_limit_by_more_than_what_is_under_way(
    around: Neighbourhood, tmp_path: Path, limit: str, each: int
) -> None:
    """However fast the model is: by one call for each place, counted by the server that was asked."""
    user, parallelism, at_once, most = await around.person(), 2, 2, 10
    async with model_server(otherwise=SAYS) as models, asking(around, tmp_path, at_once=at_once):
        await connect(around, only=models)
        dataset = await around.dataset(user, validation=30)
        limits = RunLimits(**{limit: most * each})
        fields = {"dataset_id": dataset.id, "limits": limits, "parallelism": parallelism, "max_trials": 9}
        run = await around.start(user, await over_models(around, user, "only", **fields))

        async def over() -> bool:
            return (await act(around, user, "Get", run)).status in (Run.STATUS_COMPLETED, Run.STATUS_FAILED)

        await until(over)
    assert most <= len(models.requests) <= most - 1 + parallelism * at_once
    cut = [t for t in await trials(around, user, run) if t.status != t.STATUS_COMPLETED]
    assert {t.error_class for t in cut} == {execution_pb2.ERROR_CLASS_BUDGET}
    assert len(cut) <= parallelism


async def test_a_call_that_stalls_is_stopped_with_its_run(around: Neighbourhood, tmp_path: Path) -> None:
    """At the limit of time, whatever the server does: the caller has gone away."""
    user = await around.person()
    async with model_server(otherwise=Stall()) as models, asking(around, tmp_path):
        await connect(around, only=models)
        run = await around.start(user, await over_models(around, user, "only", limits=RunLimits(seconds=3)))
        await has(around, user, run, Run.STATUS_FAILED)

        async def left() -> bool:  # on a busy machine the limit may come before the second call
            return 0 < models.left == len(models.requests) and models.running == 0

        await until(left)
    assert (await act(around, user, "Get", run)).error_class == execution_pb2.ERROR_CLASS_BUDGET
