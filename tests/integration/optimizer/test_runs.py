"""Runs on a real database: their story, their fence, who sees them, and how they are cancelled."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from ashgrove.event.v1.event_pb2 import Event
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1.optimization_run_requests_pb2 import (
    CancelOptimizationRunRequest,
    GetBestConfigurationRequest,
    GetOptimizationRunRequest,
    GetParetoFrontRequest,
    WatchOptimizationRunRequest,
)
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_requests_pb2 import GetTrialRequest, ListTrialsRequest
from ashgrove.program.v1 import execution_pb2

from framework.call import Actor
from framework.errors import NoResultYet, NotFound, NotPermitted
from framework.resource.registry import is_read
from framework.testing.workbench import Workbench
from services.optimizer import story
from services.optimizer.access import project
from services.optimizer.held import LEASE_SECONDS
from services.optimizer.outcomes import Outcome
from services.optimizer.story import Fenced
from services.optimizer.suggesting import Suggestion
from tests.integration.optimizer.books import claimed, ledger, started, told


def program_event(row: dict[str, Any], sequence: int, owner: UUID, visibility: str) -> Event:
    """Returns what the program service's feed tells of a run's program."""
    event = Event(sequence=sequence, resource_type="program", outcome="OK")
    event.organization_id, event.resource_id = str(row["organization_id"]), str(row["program_id"])
    event.data.update({"owner_id": str(owner), "visibility": visibility})
    return event


async def test_a_story_is_gap_free_under_concurrent_writers(bench: Workbench) -> None:
    """Twenty writers at once leave the numbers 1 to 20."""
    row = await started(bench)

    async def write() -> None:
        async with bench.database.tenant(row["organization_id"]) as tx:
            await story.tell(tx, row, RunEvent(type=RunEvent.TYPE_TRIAL_STARTED))

    await asyncio.gather(*(write() for _ in range(20)))
    assert [e.sequence for e in await told(bench, row)] == list(range(1, 21))
    assert [e.sequence for e in await told(bench, row, 15)] == [16, 17, 18, 19, 20]


async def test_a_late_workers_write_changes_nothing(bench: Workbench) -> None:
    """X-61: whoever lost the lease is fenced out; the takeover is told, not a second start."""
    row = await started(bench)
    late = await claimed(bench, row)
    await ledger(bench, late).start()
    late["started_at"] = None
    current = await claimed(bench, row)
    with pytest.raises(Fenced):
        await ledger(bench, late).begin(Suggestion(1, {}, "", 0, "s"), 0, [])
    await ledger(bench, current).start()
    kinds = [e.type for e in await told(bench, row)]
    assert kinds == [RunEvent.TYPE_RUN_STARTED, RunEvent.TYPE_RUN_TAKEN_OVER]
    assert await ledger(bench, current).trials() == []


async def test_trials_are_counted_and_the_best_follows_the_direction(bench: Workbench) -> None:
    """X-62, X-65: each result is a row, the best is by objective and direction, and a failure is none."""
    down = [run_pb.Objective(metric="exact_match", direction=run_pb.Objective.DIRECTION_MINIMIZE)]
    row = await claimed(bench, await started(bench, objectives=down))
    books = ledger(bench, row)
    await books.start()
    with pytest.raises(NoResultYet):
        await bench.do("GetBestConfiguration", GetBestConfigurationRequest(id=str(row["id"])))
    for number, score in ((1, 0.5), (2, 0.2), (3, 0.9)):
        trial = await books.begin(Suggestion(number, {"k": number}, "h", number, "s"), number - 1, [])
        await books.finish(trial, Outcome({"exact_match": score}, finished_count=10, example_count=10))
    await books.complete("END_REASON_TRIALS")
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert (run.completed_trials, run.failed_trials, run.best_objectives["exact_match"]) == (3, 0, 0.2)
    best = await bench.do("GetBestConfiguration", GetBestConfigurationRequest(id=run.id))
    assert (best.trial_number, best.configuration["k"]) == (2, 2)
    assert run.HasField("started_at") and run.HasField("completed_at")


async def test_a_pending_run_is_cancelled_at_once_and_twice_is_once(bench: Workbench) -> None:
    """X-64: cancelling is kept, told, and idempotent."""
    row = await started(bench)
    request = CancelOptimizationRunRequest(id=str(row["id"]))
    first, second = await bench.do("CancelOptimizationRun", request), await bench.do("CancelOptimizationRun", request)
    assert first.status == second.status == run_pb.OptimizationRun.STATUS_CANCELLED
    assert first.completed_at == second.completed_at
    assert [e.type for e in await told(bench, row)] == [RunEvent.TYPE_RUN_ENDED]
    assert bench.engine.application.ended == [str(row["grant_id"])]  # no worker will end it


async def test_a_run_cancelled_between_claim_and_start_stays_cancelled(bench: Workbench) -> None:
    """X-53, X-61: the worker that claimed it a moment before does not bring it back."""
    row = await started(bench)
    taken = await claimed(bench, row)
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    with pytest.raises(Fenced):
        await ledger(bench, taken).start()
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert run.status == run_pb.OptimizationRun.STATUS_CANCELLED
    assert [e.type for e in await told(bench, row)] == [RunEvent.TYPE_RUN_ENDED]


async def test_a_write_holds_the_lease_no_longer_than_the_lease_is(bench: Workbench) -> None:
    """Else a run whose worker died after a write would wait longer than a takeover may take."""
    row = await claimed(bench, await started(bench))
    await ledger(bench, row).start()
    async with bench.database.system() as tx:
        left = await tx.fetch_one(
            "SELECT lease_until - clock_timestamp() AS held FROM optimization_runs WHERE id = %(id)s", row
        )
    assert left is not None and left["held"].total_seconds() <= LEASE_SECONDS


async def test_a_watch_of_an_ended_run_replays_and_ends(bench: Workbench) -> None:
    """What was missed comes first, then the end."""
    row = await started(bench)
    await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])))
    frames = [f async for f in bench.frames("WatchOptimizationRun", WatchOptimizationRunRequest(id=str(row["id"])))]
    assert [f.WhichOneof("frame") for f in frames] == ["item", "end"]


async def test_a_run_follows_its_program(bench: Workbench) -> None:
    """X-73, X-88: a colleague sees a public program's runs, trials and fronts, cancels none; nothing once private."""
    row = await claimed(bench, await started(bench))
    books = ledger(bench, row)
    await books.start()
    trial = await books.begin(Suggestion(1, {"k": 1}, "h", 1, "s"), 0, [])
    await books.finish(trial, Outcome({"exact_match": 0.5}))
    request = GetOptimizationRunRequest(id=str(row["id"]))
    with pytest.raises(NotFound):
        await bench.do("GetOptimizationRun", request, bench.colleague)
    owner = bench.user.user_id
    assert owner is not None
    for sequence, visibility in ((5, "VISIBILITY_PUBLIC"), (4, "VISIBILITY_PRIVATE")):  # the older one comes late
        async with bench.database.system() as tx:
            await project(tx, program_event(row, sequence, owner, visibility))
    assert (await bench.do("GetOptimizationRun", request, bench.colleague)).id == str(row["id"])
    assert [t.number for t in await _trials(bench, row, bench.colleague)] == [1]
    front = await bench.do("GetParetoFront", GetParetoFrontRequest(id=str(row["id"])), bench.colleague)
    assert [p.trial_number for p in front.points] == [1]
    with pytest.raises(NotPermitted):
        await bench.do("CancelOptimizationRun", CancelOptimizationRunRequest(id=str(row["id"])), bench.colleague)
    async with bench.database.system() as tx:
        await project(tx, program_event(row, 6, owner, "VISIBILITY_PRIVATE"))
    with pytest.raises(NotFound):
        await bench.do("GetOptimizationRun", request, bench.colleague)
    assert not await _trials(bench, row, bench.colleague)
    with pytest.raises(NotFound):
        await bench.do("GetTrial", GetTrialRequest(id=str(trial["id"])), bench.colleague)


async def _trials(bench: Workbench, row: dict[str, Any], actor: Actor) -> list[Any]:
    request = ListTrialsRequest(optimization_run_id=str(row["id"]))
    return list((await bench.do("ListTrials", request, actor)).trials)


async def test_a_failed_trial_says_what_kind_of_failure_it_was(bench: Workbench) -> None:
    """X-57, X-64: the class of the evaluation's failure, beside its words; front and best know nothing of it."""
    row = await claimed(bench, await started(bench))
    books = ledger(bench, row)
    await books.start()
    trial = await books.begin(Suggestion(1, {"k": 1}, "h", 1, "s"), 0, [])
    await books.finish(trial, Outcome(error="it ate the memory", error_class="ERROR_CLASS_MEMORY_LIMIT"))
    failed = await bench.do("GetTrial", GetTrialRequest(id=str(trial["id"])))
    assert (failed.status, failed.error) == (failed.STATUS_FAILED, "it ate the memory")
    assert failed.error_class == execution_pb2.ERROR_CLASS_MEMORY_LIMIT
    run = await bench.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])))
    assert (run.failed_trials, run.completed_trials, run.best_trial_id, run.front_version) == (1, 0, "", 0)


def test_nobody_writes_a_run_or_a_trial_by_hand(bench: Workbench) -> None:
    """X-59: no update, and no create but the one that starts a search; results are their worker's to write."""
    writes = {m.name for m in bench.registry.methods.values() if not is_read(m.name)}
    steers = {f"{verb}OptimizationRun" for verb in ("Create", "Pause", "Resume", "Fork", "Extend", "Retry", "Cancel")}
    # The first writes into a program, the others keep nothing.
    elsewhere = {"PromoteOptimizationRun", "AnalyzeVariableImportance", "EstimateOptimizationRun"}
    # The worker of an external run is its client, who holds each trial's lease.
    leased = {"SuggestTrials", "CompleteTrials", "RenewTrials", "ReportMeasurements", "ReportExamples"}
    leased |= {"ImportTrials", "ExtendSpace", "PushTrials"}
    assert writes == steers | elsewhere | leased


async def test_another_organizations_administrator_sees_no_run(bench: Workbench) -> None:
    """The tenant wall stands above every bypass."""
    row = await started(bench)
    other = bench.elsewhere()
    with pytest.raises(NotFound):
        await other.do("GetOptimizationRun", GetOptimizationRunRequest(id=str(row["id"])), other.admin)
