"""Runs whose trials clients evaluate: who gets which trial, what is noted once, and what is refused."""

import asyncio
from typing import Any

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optimizer.v1.trial_requests_pb2 import GetTrialRequest

from framework.errors import IllegalState, InvalidFields, LeaseLost, LimitReached, NotFound, NotPermitted
from framework.testing.workbench import Workbench
from services.optimizer.external import beginning
from services.optimizer.worker import Worker
from tests.integration.optimizer.asked import (
    Kind,
    Run,
    ask,
    let_end,
    now,
    numbers,
    opened,
    reached,
    story,
    tell,
    trials,
)
from tests.integration.optimizer.books import leases_of, parts_of, started, told


async def test_a_run_goes_from_its_first_question_to_its_last_answer(bench: Workbench) -> None:
    """X-63, X-69: without a worker; counts, best, front and story are what a managed run has."""
    run = await opened(bench, max_trials=3)
    for gain in (0.2, 0.9, 0.4):
        (trial,) = (await ask(bench, run)).trials
        assert trial.client == "a" and trial.HasField("lease_until") and set(trial.configuration.fields) == {"x", "n"}
        answer = await tell(bench, run, "a", reached(trial.number, gain))
        assert answer.trials[0].objectives["gain"] == gain and not answer.trials[0].HasField("lease_until")
    done = await now(bench, run)
    assert (
        (done.status, done.end_reason)
        == (Run.STATUS_COMPLETED, Run.END_REASON_TRIALS)
        == (
            answer.standing.status,
            answer.standing.end_reason,
        )
    )
    assert (done.completed_trials, done.best_objectives["gain"], done.hypervolume) == (3, 0.9, 0.9)
    kinds = await story(bench, run)
    assert (kinds[0], kinds[-1]) == (Kind.TYPE_RUN_STARTED, Kind.TYPE_RUN_ENDED)
    assert [kinds.count(k) for k in (Kind.TYPE_TRIAL_STARTED, Kind.TYPE_TRIAL_COMPLETED, Kind.TYPE_BEST_CHANGED)] == [
        *(3, 3, 2)
    ]
    late = await ask(bench, run)
    assert not late.trials and late.standing.should_stop


async def test_whoever_tells_may_ask_in_the_same_moment(bench: Workbench) -> None:
    """As if it asked after it told: what it has already comes first, what was told informs what is new."""
    run = await opened(bench, strategy=Run.STRATEGY_EVOLUTIONARY)
    await ask(bench, run, count=2)
    request = pb.CompleteTrialsRequest(id=run, client="a", completions=[reached(1, 0.7)], next_count=2)
    answer = await bench.do("CompleteTrials", request)
    assert [each.number for each in answer.trials] == [1] and [each.number for each in answer.next] == [2, 3]
    assert (answer.next[1].informed_count, list(answer.next[1].pending_then)) == (1, [2])


async def test_turns_taken_together_are_as_turns_taken_one_by_one(bench: Workbench) -> None:
    """Eight clients at once, one of them wrong: each is answered as by itself, and the story has no gap."""
    run = await opened(bench, max_trials=30)
    names = [f"client {n}" for n in range(8)]
    given = await asyncio.gather(*(ask(bench, run, name) for name in names))
    assert sorted(n for each in given for n in numbers(each)) == [*range(1, 9)]
    acts = [tell(bench, run, name, reached(numbers(each)[0])) for name, each in zip(names, given, strict=True)]
    wrong = bench.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="a", numbers=[1]))
    answers: list[Any] = await asyncio.gather(*acts, wrong, return_exceptions=True)
    *told_all, refused = answers
    assert isinstance(refused, LeaseLost)
    assert max(each.standing.completed_trials for each in told_all) == 8
    ended = await trials(bench, run)
    assert sorted(each.finish_number for each in ended) == [*range(1, 9)]
    events = await told(bench, {"organization_id": bench.organization_id, "id": run})
    assert [each.sequence for each in events] == [*range(1, len(events) + 1)]


async def test_a_client_that_asks_again_gets_its_own_trials_again(bench: Workbench) -> None:
    """However often, and more only when it wants more; another client gets others."""
    run = await opened(bench)
    first = await ask(bench, run, count=2)
    assert numbers(await ask(bench, run, count=2)) == numbers(first) == [1, 2]
    assert numbers(await ask(bench, run, count=1)) == [1]
    assert numbers(await ask(bench, run, "b")) == [3]
    assert numbers(await ask(bench, run, count=3)) == [1, 2, 4]


async def test_a_trial_whose_client_is_gone_is_handed_on_as_it_was(bench: Workbench) -> None:
    """The same number and configuration; the first client is told that it lost it, and may ask for others."""
    run = await opened(bench)
    (lost,) = (await ask(bench, run, "gone", lease_seconds=30)).trials
    await let_end(bench, run, 1)
    (found,) = (await ask(bench, run, "b")).trials
    assert (found.number, found.configuration, found.client) == (1, lost.configuration, "b")
    assert Kind.TYPE_TRIAL_HANDED_ON in await story(bench, run)
    for act in (
        tell(bench, run, "gone", reached(1)),
        bench.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="gone", numbers=[1])),
    ):
        with pytest.raises(LeaseLost) as refused:
            await act
        assert refused.value.metadata == {"trial_number": "1", "lease": "FOREIGN"}
    assert (await tell(bench, run, "b", reached(1))).trials[0].status == trial_pb2.Trial.STATUS_COMPLETED


async def test_an_ended_lease_is_renewed_before_its_trial_is_told(bench: Workbench) -> None:
    """No work is lost as long as nobody else has the trial."""
    run = await opened(bench)
    await ask(bench, run, lease_seconds=100)
    await let_end(bench, run, 1)
    with pytest.raises(LeaseLost) as refused:
        await tell(bench, run, "a", reached(1))
    assert refused.value.metadata["lease"] == "ENDED" and "RenewTrials" in refused.value.message
    renewed = await bench.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="a"))
    assert list(renewed.numbers) == [1] and not renewed.standing.should_stop
    (trial,) = await trials(bench, run)
    assert 90 < trial.lease_until.ToSeconds() - (await now(bench, run)).started_at.ToSeconds() < 200
    assert (await tell(bench, run, "a", reached(1))).standing.completed_trials == 1


async def test_the_same_answer_again_changes_nothing_and_another_is_refused(bench: Workbench) -> None:
    """Whoever heard no answer tells again, in whatever batch; also after the end of the run."""
    run = await opened(bench, max_trials=2)
    await ask(bench, run, count=2)
    await tell(bench, run, "a", reached(1, 0.3))
    both = (reached(1, 0.3), pb.TrialCompletion(number=2, infeasible=True, error="no such kernel"))
    for _ in range(2):
        answer = await tell(bench, run, "a", *both)
        assert [t.status for t in answer.trials] == [trial_pb2.Trial.STATUS_COMPLETED, trial_pb2.Trial.STATUS_FAILED]
        assert answer.trials[1].infeasible and answer.trials[1].error == "no such kernel"
    done = await now(bench, run)
    assert (done.status, done.completed_trials, done.failed_trials) == (Run.STATUS_COMPLETED, 1, 1)
    with pytest.raises(IllegalState) as refused:
        await tell(bench, run, "a", reached(1, 0.4))
    assert "trial 1" in refused.value.message


async def test_everything_wrong_with_an_answer_is_said_at_once(bench: Workbench) -> None:
    """Each fault by its path, and nothing of the batch is noted."""
    run = await opened(bench)
    await ask(bench, run, count=6)
    wrong = [
        reached(1),
        reached(1),
        reached(9),
        pb.TrialCompletion(number=2, objectives={"gain": float("nan"), "loss": 1.0}),
        reached(3, 1.5),
        pb.TrialCompletion(number=4),
        reached(5, error="it failed"),
        reached(6, error_class=7),
    ]
    with pytest.raises(InvalidFields) as refused:
        await tell(bench, run, "a", *wrong)
    assert [v.path for v in refused.value.violations] == [
        "completions[1].number",
        "completions[2].number",
        "completions[3].objectives.loss",
        "completions[3].objectives.gain",
        "completions[4].objectives.gain",
        "completions[5].objectives.gain",
        "completions[6].objectives",
        "completions[7].error_class",
    ]
    assert (await now(bench, run)).completed_trials == 0


async def test_whoever_takes_suggestions_and_vanishes_fills_a_bound(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are told when to come back, and then get what was taken."""
    monkeypatch.setattr(beginning, "MOST_OPEN", 5)
    run = await opened(bench, max_trials=10_000)
    with pytest.raises(InvalidFields):
        await ask(bench, run, "greedy", 10_000)
    assert len((await ask(bench, run, "greedy", 100, lease_seconds=20)).trials) == 5
    with pytest.raises(LimitReached) as refused:
        await ask(bench, run, "b")
    assert 0 < refused.value.retry_after_seconds <= 20 and "leases" in refused.value.message
    await let_end(bench, run, *range(1, 6))
    assert numbers(await ask(bench, run, "b", 2)) == [1, 2]


async def test_only_external_runs_are_asked_by_those_who_own_them(bench: Workbench) -> None:
    """No worker takes one; a colleague who may not even see it learns nothing; a viewer only reads."""
    managed = str((await started(bench))["id"])
    with pytest.raises(IllegalState):
        await ask(bench, managed)
    run = await opened(bench)
    async with bench.database.system() as tx:
        await tx.execute(
            "UPDATE optimization_runs SET lease_until = now() + interval '1 hour' WHERE id <> %(id)s", {"id": run}
        )
    worker = Worker(parts_of(bench), bench.engine.application)
    assert await worker.leases.claim("worker") is None
    request = pb.SuggestTrialsRequest(id=run, client="a")
    for actor, refusal in ((bench.colleague, NotFound), (bench.viewer, NotPermitted)):
        with pytest.raises(refusal):
            await bench.do("SuggestTrials", request, actor)
    assert leases_of(bench) and await bench.do("SuggestTrials", request, bench.admin)


async def test_a_trial_can_be_read_by_its_id(bench: Workbench) -> None:
    run = await opened(bench)
    (trial,) = (await ask(bench, run)).trials
    assert await bench.do("GetTrial", GetTrialRequest(id=trial.id)) == trial
