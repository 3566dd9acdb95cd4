"""What an ended run leaves open: closed by who ended it, and by the next sweep where that one died."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from ashgrove.auth.v1 import auth_internal_service_pb2 as auth_pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import ExtendOptimizationRunRequest
from ashgrove.optimizer.v1.run_limits_pb2 import RunLimits
from ashgrove.program.v1 import execution_pb2

from framework.call import Actor
from framework.errors import NotFound
from framework.identifiers import new_id
from framework.rpc.channels import as_caller
from framework.testing.waiting import until
from services.optimizer import search
from services.optimizer.closing import Closer
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_pausing import act, evaluation, has, trials

Run = run_pb.OptimizationRun


async def sweep(around: Neighbourhood, **seconds: float) -> None:
    """Looks once at every open grant."""
    await Closer(around.optimizer.database, around.peers, **seconds).sweep()


async def is_open(around: Neighbourhood, grant: str) -> bool:
    """Tells whether a grant may still be used."""
    return any(str(each["id"]) == grant and each["ended_at"] is None for each in await around.grants())


async def granted(around: Neighbourhood, actor: Actor, run_id: str) -> str:
    """Grants a run to act for somebody, as whoever starts one does first."""
    request = auth_pb.CreateGrantRequest(run_id=run_id, service="optimizer", actions=["GetProgram"])
    identity = as_caller(around.house.tokens.issue_identity(actor).text)
    return str((await around.peers.auth.CreateGrant(request, metadata=identity)).grant_id)


async def test_what_a_dead_worker_left_of_an_ended_run_is_closed(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on keeps its grant, and so does one that its worker is ending this very moment."""
    user, dying = await around.person(), asyncio.Event()
    around.model.held = lambda text: True
    other = await around.start(user, await around.wanted(user))

    async def dies(*_: Any) -> None:
        dying.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(search, "close", dies)
    async with around.working():
        run = await around.start(user, await around.wanted(user))
        await until(lambda: _is_evaluated(around, user, run))
        await until(lambda: _is_evaluated(around, user, other))
        await act(around, user, "Cancel", run)
        await dying.wait()
    mine, theirs = [str(each["id"]) for each in reversed(await around.grants())]
    (trial,) = await trials(around, user, run)
    await _hold(around, run, "now() + interval '8 seconds'")
    await sweep(around)
    assert await is_open(around, mine)
    await _hold(around, run, "now() - interval '1 second'")
    await sweep(around)
    assert not await is_open(around, mine) and await is_open(around, theirs)
    assert (await evaluation(around, user, trial)).status == execution_pb2.WORK_STATUS_CANCELLED
    (kept,) = await trials(around, user, other)
    assert (await evaluation(around, user, kept)).status != execution_pb2.WORK_STATUS_CANCELLED


async def _is_evaluated(around: Neighbourhood, user: Actor, run: Any) -> bool:
    own = await trials(around, user, run)
    with suppress(NotFound):  # the trial is written down before its evaluation
        return bool(own) and (await evaluation(around, user, own[0])).status == execution_pb2.WORK_STATUS_RUNNING
    return False


async def _hold(around: Neighbourhood, run: Any, until_when: str) -> None:
    async with around.optimizer.database.system() as tx:
        sql = f"UPDATE optimization_runs SET lease_until = {until_when} WHERE id = %(id)s"
        await tx.execute(sql, {"id": run.id})


async def test_a_grant_that_nobody_came_to_write_down_ends(around: Neighbourhood) -> None:
    """Once no call can be under way any more that would: for a run that was never begun, and beside another one."""
    user = await around.person()
    run = await around.start(user, await around.wanted(user))
    (own,) = [str(each["id"]) for each in await around.grants()]
    orphans = [await granted(around, user, run_id) for run_id in (str(new_id()), run.id)]
    await sweep(around)
    assert all([await is_open(around, each) for each in (own, *orphans)])
    await sweep(around, unborn_seconds=0)
    assert [await is_open(around, each) for each in (own, *orphans)] == [True, False, False]


async def test_a_last_look_that_a_limit_broke_off_goes_on_when_the_run_is_extended(around: Neighbourhood) -> None:
    """It rests where it was, nothing that it has found is paid for again, and nobody reads it before the end."""
    user = await around.person()
    dataset = await around.dataset(user, validation=4, test=4)
    aims = [run_pb.Objective(metric="exact_match")]
    run = await around.wanted(user, dataset_id=dataset.id, max_trials=2, objectives=aims, seed=4711)
    run.limits.metric_calls = 10
    async with around.working():
        run = await around.start(user, run)
        await has(around, user, run, Run.STATUS_COMPLETED)
        looked = (await act(around, user, "Get", run)).holdout_result
        assert "limit of metric calls" in looked.error
        more = ExtendOptimizationRunRequest(id=run.id, limits=RunLimits(metric_calls=100), max_trials=3)
        await around.do(user, "ExtendOptimizationRun", more)
        await has(around, user, run, Run.STATUS_COMPLETED)
    run = await act(around, user, "Get", run)
    assert not run.holdout_result.error and run.holdout_result.figures
    heats = {str(each.configuration["temperature"]) for each in await trials(around, user, run)}
    # What other runs of this database asked is theirs.
    asked = [text for text in around.model.asked if text.rpartition(" ")[2] in heats]
    assert len(asked) == len(set(asked)) > 3 * 4
