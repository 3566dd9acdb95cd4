"""Pausing and resuming among the real peers: in the middle of a trial, and nothing finished is lost or repeated."""

import asyncio
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CancelOptimizationRunRequest,
    GetOptimizationRunRequest,
    PauseOptimizationRunRequest,
    ResumeOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_requests_pb2 import ListTrialsRequest
from ashgrove.program.v1 import execution_pb2, program_pb2
from ashgrove.program.v1.evaluation_requests_pb2 import GetEvaluationRequest, PauseEvaluationRequest

from framework.call import Actor
from framework.errors import IllegalState, NotFound, NotPermitted
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.optimizer.access import project
from services.optimizer.ledger import Ledger
from services.optimizer.outcomes import Outcome
from services.optimizer.spending import Usage
from services.optimizer.story import Fenced
from services.optimizer.suggesting import Suggestion
from tests.integration.optimizer.books import claimed, leases_of, ledger, started, told
from tests.integration.optimizer.neighbourhood import Neighbourhood
from tests.integration.optimizer.test_runs import program_event

Status = run_pb.OptimizationRun
Kind = RunEvent


async def act(around: Neighbourhood, actor: Actor, verb: str, run: Any) -> run_pb.OptimizationRun:
    """Does one of the verbs on a run."""
    request = getattr(pb, f"{verb}OptimizationRunRequest")(id=run.id)
    return await around.do(actor, f"{verb}OptimizationRun", request)  # type: ignore[no-any-return]


async def trials(around: Neighbourhood, actor: Actor, run: Any) -> list[Any]:
    request = ListTrialsRequest(optimization_run_id=run.id, order_by="number")
    return list((await around.do(actor, "ListTrials", request)).trials)


async def evaluation(around: Neighbourhood, actor: Actor, trial: Any) -> execution_pb2.Evaluation:
    request = GetEvaluationRequest(id=trial.evaluation_id)
    return await around.do(actor, "GetEvaluation", request, "program")  # type: ignore[no-any-return]


async def has(around: Neighbourhood, actor: Actor, run: Any, status: int) -> None:
    """Returns when the run has the status."""

    async def reached() -> bool:
        return bool((await act(around, actor, "Get", run)).status == status)

    await until(reached)


async def story(around: Neighbourhood, run: Any) -> list[Any]:
    row = {"organization_id": around.house.organization_id, "id": run.id}
    return [e.type for e in await told(around.optimizer, row)]


async def test_a_run_paused_in_mid_call_goes_on_where_it_was(around: Neighbourhood) -> None:
    """The trial stays RUNNING, its evaluation rests with what is finished, and no finished example is asked again."""
    user = await around.person()
    around.model.held = lambda text: "text 3" in text
    async with around.working():
        run = await around.start(user, await around.wanted(user))

        async def held() -> bool:
            return len(around.model.answered) == 3 and len(around.model.asked) == 4

        await until(held)
        assert (await act(around, user, "Pause", run)).status == Status.STATUS_PAUSED
        (trial,) = await trials(around, user, run)
        assert trial.status == trial.STATUS_RUNNING

        async def resting() -> bool:
            state = await evaluation(around, user, trial)
            halted = state.status == execution_pb2.WORK_STATUS_PAUSED and state.finished_count == 3
            return halted and len(around.model.stopped) == 1  # the call itself was stopped in its middle

        await until(resting)
        around.model.let_go.set()
        assert (await act(around, user, "Resume", run)).status == Status.STATUS_RUNNING
        await has(around, user, run, Status.STATUS_COMPLETED)

        async def given_back() -> bool:
            return [g["ended_at"] is not None for g in await around.grants()] == [True, True]

        await until(given_back)
    finished = Counter(around.model.answered)
    assert len(finished) == 8 and set(finished.values()) == {1}
    assert [t.status for t in await trials(around, user, run)] == [trial.STATUS_COMPLETED] * 2
    kinds = await story(around, run)
    assert kinds.count(Kind.TYPE_RUN_PAUSED) == kinds.count(Kind.TYPE_RUN_RESUMED) == 1
    assert Kind.TYPE_RUN_TAKEN_OVER not in kinds


async def test_a_finish_that_races_with_a_pause_is_read_again(
    around: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-62: the pause comes between the evaluation's end and the trial's; nothing is lost, nothing evaluated twice."""
    user = await around.person()
    finish, finishing = Ledger.finish, asyncio.Event()

    async def late(self: Ledger, trial: Any, outcome: Outcome) -> Any:
        if not finishing.is_set():
            await act(around, user, "Pause", SimpleNamespace(id=self.id))
            finishing.set()
        return await finish(self, trial, outcome)

    monkeypatch.setattr(Ledger, "finish", late)
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=1))
        await finishing.wait()
        assert (await act(around, user, "Get", run)).completed_trials == 0
        await act(around, user, "Resume", run)
        await has(around, user, run, Status.STATUS_COMPLETED)
    (trial,) = await trials(around, user, run)
    assert trial.status == trial.STATUS_COMPLETED and trial.objectives["exact_match"] == 1.0
    assert len(around.model.asked) == 4


async def test_a_run_that_lost_its_grant_goes_on_with_a_fresh_one(around: Neighbourhood) -> None:
    """Its user is back, or an administrator takes it over: the new grant is in the name of whoever resumed it."""
    user = await around.person()
    around.model.held = lambda text: True
    async with around.working():
        run = await around.start(user, await around.wanted(user, max_trials=1))

        async def asked() -> bool:
            return bool(around.model.asked)

        await until(asked)
        (grant,) = await around.grants()
        await around.peers.end_grant(grant["id"])
        around.peers.tokens.forget(str(grant["id"]))
        (trial,) = await trials(around, user, run)
        request = PauseEvaluationRequest(id=trial.evaluation_id)
        await around.do(user, "PauseEvaluation", request, "program")  # its stream ends, and the next asks for a token
        await has(around, user, run, Status.STATUS_PAUSED)
        assert "grant" in (await act(around, user, "Get", run)).error
        around.model.let_go.set()
        resumed = await act(around, around.house.admin, "Resume", run)
        assert not resumed.error
        await has(around, user, run, Status.STATUS_COMPLETED)
    assert [str(g["user_id"]) for g in await around.grants()] == [user.id, around.house.admin.id]


async def test_a_paused_run_is_cancelled_at_once_with_all_it_left(around: Neighbourhood) -> None:
    """Its trials and their evaluations end with it, and so does the grant."""
    user = await around.person()
    around.model.held = lambda text: True
    async with around.working():
        run = await around.start(user, await around.wanted(user))

        async def asked() -> bool:
            return bool(around.model.asked)

        await until(asked)
        await act(around, user, "Pause", run)
        cancelled = await act(around, user, "Cancel", run)
    assert cancelled.status == Status.STATUS_CANCELLED and cancelled.HasField("completed_at")
    (trial,) = await trials(around, user, run)
    assert trial.status == trial.STATUS_CANCELLED and trial.HasField("completed_at")
    assert (await evaluation(around, user, trial)).status == execution_pb2.WORK_STATUS_CANCELLED
    assert all(g["ended_at"] is not None for g in await around.grants())
    assert (await story(around, run))[-1] == Kind.TYPE_RUN_ENDED


async def test_pausing_twice_and_resuming_twice_is_once(around: Neighbourhood) -> None:
    """A run that never started waits for a worker again; nothing is told twice, no grant is left over."""
    user = await around.person()
    run = await around.start(user, await around.wanted(user))
    first, second = await act(around, user, "Pause", run), await act(around, user, "Pause", run)
    assert first == second and first.status == Status.STATUS_PAUSED
    first, second = await act(around, user, "Resume", run), await act(around, user, "Resume", run)
    assert first == second and first.status == Status.STATUS_PENDING
    assert await story(around, run) == [Kind.TYPE_RUN_CREATED, Kind.TYPE_RUN_PAUSED, Kind.TYPE_RUN_RESUMED]
    assert [g["ended_at"] is None for g in await around.grants()] == [False, True]


async def test_only_the_owner_and_administrators_resume_and_only_what_they_may_optimize(around: Neighbourhood) -> None:
    """X-60: the right to the program is looked at again; who may only cancel may not lend the run their name."""
    owner, colleague = await around.person(), await around.person()
    program = await around.program(owner, visibility=program_pb2.Program.VISIBILITY_PUBLIC)
    run = await around.start(owner, await around.wanted(owner, program_id=program.id))
    for sequence, visibility in enumerate(("VISIBILITY_PUBLIC",), start=1):
        row = {"organization_id": around.house.organization_id, "program_id": program.id}
        async with around.optimizer.database.system() as tx:
            assert owner.user_id is not None
            await project(tx, program_event(row, sequence, owner.user_id, visibility))
    await act(around, owner, "Pause", run)
    for verb in ("Pause", "Resume", "Cancel"):
        with pytest.raises(NotPermitted):
            await act(around, colleague, verb, run)
    assert len(await around.grants()) == 1
    assert (await act(around, around.house.admin, "Resume", run)).status == Status.STATUS_PENDING


@pytest.mark.parametrize("verb", ["Pause", "Resume"])
@pytest.mark.parametrize("status", ["STATUS_COMPLETED", "STATUS_FAILED", "STATUS_CANCELLED", "STATUS_CANCELLING"])
async def test_an_ended_run_is_neither_paused_nor_resumed(bench: Workbench, verb: str, status: str) -> None:
    """X-53: the refusal says where the run stands and what is legal."""
    row = await started(bench)
    async with bench.database.system() as tx:
        await tx.execute("UPDATE optimization_runs SET status = %(s)s WHERE id = %(id)s", {**row, "s": status})
    with pytest.raises(IllegalState) as refused:
        request = getattr(pb, f"{verb}OptimizationRunRequest")(id=str(row["id"]))
        await bench.do(f"{verb}OptimizationRun", request)
    assert status.removeprefix("STATUS_") in refused.value.message and "legal" in refused.value.message
    assert not await told(bench, row)


async def test_a_paused_run_is_nobodys(bench: Workbench) -> None:
    """X-61: its late worker is fenced out of every write, and no other may claim it."""
    row = await claimed(bench, await started(bench))
    books = ledger(bench, row)
    await books.start()
    trial = await books.begin(Suggestion(1, {}, "h", 1, "s"), 0, [])
    await bench.do("PauseOptimizationRun", PauseOptimizationRunRequest(id=str(row["id"])))
    for late in (
        lambda: books.finish(trial, Outcome({"exact_match": 1.0})),
        lambda: books.progress(trial, 1, 1, Usage()),
        lambda: books.begin(Suggestion(2, {}, "h", 2, "s"), 0, []),
        lambda: books.complete("END_REASON_TRIALS"),
        books.status,
    ):
        with pytest.raises(Fenced):
            await late()
    assert not await leases_of(bench).renew(row)
    assert await leases_of(bench).claim("another") is None
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert (run.status, run.completed_trials) == (Status.STATUS_PAUSED, 0)


async def test_a_programs_owner_cancels_and_pauses_the_runs_of_others(bench: Workbench) -> None:
    """X-60: an administrator's run of my program is mine to stop, not to resume."""
    call = bench.engine.call(bench.context(bench.admin, "CreateOptimizationRun"))
    row = await started(bench, by=call)
    assert bench.colleague.user_id is not None
    async with bench.database.system() as tx:
        await project(tx, program_event(row, 1, bench.colleague.user_id, "VISIBILITY_PRIVATE"))
    identifier = str(row["id"])
    with pytest.raises(NotFound):
        await bench.do("PauseOptimizationRun", PauseOptimizationRunRequest(id=identifier))
    paused = await bench.do("PauseOptimizationRun", PauseOptimizationRunRequest(id=identifier), bench.colleague)
    assert paused.status == Status.STATUS_PAUSED
    with pytest.raises(NotPermitted):
        await bench.do("ResumeOptimizationRun", ResumeOptimizationRunRequest(id=identifier), bench.colleague)
    cancelled = await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=identifier), bench.colleague)
    assert cancelled.status == Status.STATUS_CANCELLED


async def test_a_run_that_loses_its_grant_while_it_is_cancelled_is_cancelled(bench: Workbench) -> None:
    """X-64: the wish to stop it came first, and a paused run would wait for somebody to resume it."""
    row = await claimed(bench, await started(bench))
    books = ledger(bench, row)
    await books.start()
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    await books.pause("the grant no longer holds")
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert (run.status, run.error) == (Status.STATUS_CANCELLED, "")


async def test_verbs_that_are_tried_leave_the_run_and_its_grants_and_one_sent_twice_is_done_once(
    around: Neighbourhood,
) -> None:
    """Trying says where the run would stand; what cannot be undone, such as the end of a grant, is not even begun."""
    user = await around.person()
    run = await around.start(user, await around.wanted(user))

    async def do(verb: str, **more: Any) -> run_pb.OptimizationRun:
        request = getattr(pb, f"{verb}OptimizationRunRequest")(id=run.id, **more)
        return await around.do(user, f"{verb}OptimizationRun", request)  # type: ignore[no-any-return]

    async def stands() -> tuple[Any, list[bool]]:
        return (await do("Get")).status, [grant["ended_at"] is None for grant in await around.grants()]

    for verb, tried in (("Pause", Status.STATUS_PAUSED), ("Cancel", Status.STATUS_CANCELLED)):
        assert (await do(verb, validate_only=True)).status == tried
        assert await stands() == (Status.STATUS_PENDING, [True])
    await do("Pause")
    assert (await do("Resume", validate_only=True)).status == Status.STATUS_PENDING
    assert await stands() == (Status.STATUS_PAUSED, [True, False]), "the grant that was tried has ended"
    resumed = [await do("Resume", request_id="go on") for _ in range(2)]
    assert resumed[0] == resumed[1] and await stands() == (Status.STATUS_PENDING, [False, False, True])
    cancelled = [await do("Cancel", request_id="stop") for _ in range(2)]
    assert cancelled[0] == cancelled[1] and await stands() == (Status.STATUS_CANCELLED, [False, False, False])
    kinds = [Kind.TYPE_RUN_CREATED, Kind.TYPE_RUN_PAUSED, Kind.TYPE_RUN_RESUMED, Kind.TYPE_RUN_ENDED]
    assert await story(around, run) == kinds
