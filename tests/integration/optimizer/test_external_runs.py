"""Runs whose trials clients evaluate: who gets which trial, what is noted once, what is refused, and how they end."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.optimizer.v1.trial_requests_pb2 import GetTrialRequest, ListTrialsRequest
from ashgrove.variables.v1 import variable_space_pb2

from framework.engine import Engine
from framework.errors import IllegalState, InvalidFields, LeaseLost, LimitReached, NotFound, NotPermitted
from framework.testing.workbench import Workbench
from services.optimizer.external import asking
from services.optimizer.external.space import keep
from services.optimizer.external.sweeping import Sweeper
from services.optimizer.warm import WarmRuns
from services.optimizer.worker import Worker
from tests.integration.optimizer.books import Grants, leases_of, parts_of, started, told

Run = run_pb.OptimizationRun
Kind = RunEvent
UP, DOWN = run_pb.Objective.DIRECTION_MAXIMIZE, run_pb.Objective.DIRECTION_MINIMIZE
OBJECTIVE = run_pb.Objective(metric="gain", direction=UP, low=0, high=1, reference=0)


async def opened(bench: Workbench, **fields: Any) -> str:
    """Returns the id of a new external run over two numbers."""
    usual = {"objectives": [OBJECTIVE], "evaluator": Run.EVALUATOR_EXTERNAL, "max_trials": 10, "parallelism": 0}
    row = await started(bench, **(usual | fields))
    space = variable_space_pb2.VariableSpace()
    space.variables.add(name="x", float=variable_space_pb2.FloatDomain(low=0, high=1))
    space.variables.add(name="n", integer=variable_space_pb2.IntegerDomain(low=1, high=4))
    async with bench.database.tenant(row["organization_id"]) as tx:
        await keep(tx, row, space, None)
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
            """UPDATE trials SET lease_until = now() - interval '1 second'
               WHERE optimization_run_id = %(run)s AND number = ANY(%(numbers)s)""",
            {"run": run, "numbers": list(numbers)},
        )


def numbers(answer: Any) -> list[int]:
    return [each.number for each in answer.trials]


async def story(bench: Workbench, run: str) -> list[Any]:
    return [e.type for e in await told(bench, {"organization_id": bench.organization_id, "id": run})]


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
    monkeypatch.setattr(asking, "MOST_OPEN", 5)
    run = await opened(bench, max_trials=10_000)
    with pytest.raises(InvalidFields):
        await ask(bench, run, "greedy", 10_000)
    assert len((await ask(bench, run, "greedy", 100, lease_seconds=20)).trials) == 5
    with pytest.raises(LimitReached) as refused:
        await ask(bench, run, "b")
    assert 0 < refused.value.retry_after_seconds <= 20 and "leases" in refused.value.message
    await let_end(bench, run, *range(1, 6))
    assert numbers(await ask(bench, run, "b", 2)) == [1, 2]


async def test_a_stopped_run_gives_nothing_and_keeps_what_it_is_told(bench: Workbench) -> None:
    """Paused: results still count, and it goes on with the same trials. Cancelled: at once, and nothing counts."""
    run = await opened(bench)
    await ask(bench, run, count=2)
    await bench.do("PauseOptimizationRun", run_rpc.PauseOptimizationRunRequest(id=run))
    paused = await ask(bench, run, count=2)
    assert not paused.trials and paused.standing.should_stop and paused.standing.status == Run.STATUS_PAUSED
    assert (await tell(bench, run, "a", reached(1))).standing.completed_trials == 1
    resumed = await bench.do("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=run))
    assert resumed.status == Run.STATUS_RUNNING and numbers(await ask(bench, run)) == [2]
    gone = await bench.do("CancelOptimizationRun", run_rpc.CancelOptimizationRunRequest(id=run))
    assert gone.status == Run.STATUS_CANCELLED and gone.HasField("completed_at")
    with pytest.raises(IllegalState):
        await tell(bench, run, "a", reached(2))
    assert [t.status for t in await trials(bench, run)][1] == trial_pb2.Trial.STATUS_CANCELLED
    assert not bench.engine.application.ended


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"metric_calls": 25}, Run.END_REASON_METRIC_CALLS),
        ({"tokens": 250}, Run.END_REASON_TOKENS),
        ({"cost_micros": 21}, Run.END_REASON_COST),
        ({"target": 0.03}, Run.END_REASON_TARGET),
    ],
)
async def test_a_limit_ends_the_run_once_nobody_has_a_trial(
    bench: Workbench, limits: dict[str, Any], reason: Any
) -> None:
    """Clients hear that they should stop; what they evaluate already still counts."""
    run = await opened(bench, limits=limits)
    await ask(bench, run, count=4)
    usage = {"metric_calls": 10, "tokens": 100, "cost_micros": 7}
    for number in (1, 2, 3):
        answer = await tell(bench, run, "a", reached(number, number / 100, **usage))
        assert answer.standing.should_stop == (number == 3)
    assert answer.standing.status == Run.STATUS_RUNNING and not (await ask(bench, run, "b")).trials
    ended = (await tell(bench, run, "a", reached(4))).standing
    assert (ended.status, ended.end_reason, ended.completed_trials) == (Run.STATUS_COMPLETED, reason, 4)


async def test_a_run_whose_clients_have_gone_ends_at_its_limit(bench: Workbench) -> None:
    """Once their leases have ended; one that may still start trials waits for whoever comes."""
    left, leased, free = [await opened(bench, limits={"tokens": 5}) for _ in range(3)]
    for run, tokens in ((left, 9), (leased, 9), (free, 1)):
        await ask(bench, run, count=2)
        await tell(bench, run, "a", reached(1, tokens=tokens))
    await let_end(bench, left, 2)
    await let_end(bench, free, 2)
    await Sweeper(parts_of(bench)).sweep()
    states = [await now(bench, run) for run in (left, leased, free)]
    assert [each.status for each in states] == [Run.STATUS_COMPLETED, Run.STATUS_RUNNING, Run.STATUS_RUNNING]
    assert states[0].end_reason == Run.END_REASON_TOKENS
    assert (await trials(bench, left))[1].status == trial_pb2.Trial.STATUS_CANCELLED
    assert numbers(await ask(bench, free, "b")) == [2]


async def test_a_run_of_failures_alone_has_failed(bench: Workbench) -> None:
    run = await opened(bench, max_trials=2)
    await ask(bench, run, count=2)
    ended = await tell(bench, run, "a", *(pb.TrialCompletion(number=n, error="out of memory") for n in (1, 2)))
    assert ended.standing.status == Run.STATUS_FAILED and (await now(bench, run)).error


async def test_a_grid_ends_when_it_is_walked(bench: Workbench) -> None:
    """Before its most trials, and only once the last open point is told."""
    options = {"grid_search": {"levels": 1}}
    run = await opened(
        bench, strategy=Run.STRATEGY_GRID_SEARCH, strategy_configuration=options, max_trials=10, parallelism=64
    )
    assert len((await ask(bench, run, count=10)).trials) == 4
    ended = await tell(bench, run, "a", *(reached(n) for n in (1, 2, 3, 4)))
    assert ended.standing.status == Run.STATUS_RUNNING
    assert (await ask(bench, run)).standing.end_reason == Run.END_REASON_EXHAUSTED


@pytest.mark.parametrize(
    "strategy", [number for number in Run.Strategy.values() if 0 < number < Run.STRATEGY_REGISTERED]
)
async def test_what_a_process_remembers_changes_no_suggestion(bench: Workbench, strategy: Any) -> None:
    """Dropped before every call or kept, two clients at a time: the same configurations from the same seed."""
    if strategy == Run.STRATEGY_CMA_ES:
        fields: dict[str, Any] = {"strategy_configuration": {"cma_es": {"population": 4}}}
    elif strategy == Run.STRATEGY_BAYESIAN:
        fields = {"strategy_configuration": {"bayesian": {"startup_trials": 3}}}
    else:
        fields = {}
    made: list[list[trial_pb2.Trial]] = []
    for drops in (True, False):
        bench.engine.application = Grants()
        run = await opened(bench, strategy=strategy, seed=3, max_trials=8, **fields)
        for _ in range(4):
            pair = [(await ask(bench, run, client)).trials[0] for client in ("a", "b")]
            for trial, client in zip(reversed(pair), ("b", "a"), strict=True):
                if drops:
                    bench.engine.application.warm = WarmRuns()
                await tell(bench, run, client, reached(trial.number, round(trial.configuration["x"], 6)))
        made.append(await trials(bench, run))
    kept, dropped = ([(t.configuration, t.informed_count, list(t.pending_then)) for t in each] for each in made)
    assert kept == dropped
    if strategy not in (Run.STRATEGY_RANDOM, Run.STRATEGY_SOBOL, Run.STRATEGY_LATIN_HYPERCUBE):
        assert [t.informed_count for t in made[0]] == [0, 0, 2, 2, 4, 4, 6, 6]
        assert [list(t.pending_then) for t in made[0]][:4] == [[], [1], [], [3]]
        assert [t.finish_number for t in made[0]] == [2, 1, 4, 3, 6, 5, 8, 7]


async def test_a_synchronous_run_learns_batch_by_batch(bench: Workbench) -> None:
    """However its batch is told: suggestions depend on seed and results alone."""
    made = []
    for order in ((1, 2), (2, 1)):
        run = await opened(
            bench,
            strategy=Run.STRATEGY_EVOLUTIONARY,
            strategy_configuration={"evolutionary": {"population": 2}},
            schedule=Run.SCHEDULE_SYNCHRONOUS,
            parallelism=2,
            seed=5,
        )
        for batch in (0, 2, 4):
            assert len((await ask(bench, run, count=3)).trials) == 2
            for number in order:
                waiting = await ask(bench, run, "b")
                assert not waiting.trials and waiting.wait_seconds > 0
                await tell(bench, run, "a", reached(batch + number, (batch + number) / 10))
        made.append([t.configuration for t in await trials(bench, run)])
    assert made[0] == made[1]


async def test_many_clients_at_once_get_a_trial_each(bench: Workbench) -> None:
    """Numbers without gaps or doubles, whichever process answers, and every answer counts once."""
    run = await opened(bench, max_trials=24, strategy=Run.STRATEGY_EVOLUTIONARY)
    engine = Engine(bench.registry, bench.database, bench.engine.hints, bench.engine.seal, Grants())
    other = replace(bench, engine=engine)

    async def work(at: Workbench, client: str) -> None:
        while (answer := await ask(at, run, client)).trials:
            number = answer.trials[0].number
            await tell(at, run, client, reached(number, number / 24))

    await asyncio.gather(*(work((bench, other)[i % 2], f"client {i}") for i in range(6)))
    done = await trials(bench, run)
    assert [t.number for t in done] == list(range(1, 25))
    assert sorted(t.finish_number for t in done) == list(range(1, 25))
    ended = await now(bench, run)
    assert (ended.status, ended.completed_trials, ended.best_objectives["gain"]) == (Run.STATUS_COMPLETED, 24, 1.0)


async def test_reports_are_kept_once_and_can_be_read(bench: Workbench) -> None:
    """Values by step, the last of each; examples with all that they say; their usage is the trial's."""
    run = await opened(bench, limits={"tokens": 100})
    (trial,) = (await ask(bench, run)).trials
    steps = [pb.Measurement(step=s, values={"gain": s / 10, "loss": 1.0}) for s in (1, 2, 2)]
    steps[2].values["gain"] = 0.9
    answer = await bench.do(
        "ReportMeasurements", pb.ReportMeasurementsRequest(id=run, client="a", number=1, measurements=steps)
    )
    assert not answer.standing.should_stop
    example = pb.ReportedExample(
        example_id="e1", scores={"gain": 1.0}, feedback={"gain": "well said"}, tokens=60, cost_micros=3, latency_ms=2.5
    )
    example.trace.update({"main": {"inputs": {"text": "bonjour"}, "outputs": {"language": "fr"}}})
    failed = pb.ReportedExample(example_id="e1", repeat=1, error="timed out", error_class=4, tokens=50)
    for examples, added in (([example], 1), ([example, failed], 1)):
        answer = await bench.do(
            "ReportExamples", pb.ReportExamplesRequest(id=run, client="a", number=1, examples=examples)
        )
        assert answer.added == added
    assert answer.standing.should_stop
    found = await bench.do("GetTrialReports", pb.GetTrialReportsRequest(id=trial.id))
    assert [(m.step, m.values["gain"]) for m in found.measurements] == [(1, 0.1), (2, 0.9)]
    assert list(found.examples) == [example, failed]
    done = (await tell(bench, run, "a", reached(1, tokens=7))).trials[0]
    assert (done.finished_count, done.tokens, done.cost_micros) == (2, 110, 3)
    assert (await now(bench, run)).end_reason == Run.END_REASON_TOKENS


async def test_what_is_reported_is_finite_and_of_a_trial_that_the_client_has(bench: Workbench) -> None:
    run = await opened(bench)
    await ask(bench, run)
    asked = pb.ReportMeasurementsRequest(id=run, client="a", number=1)
    asked.measurements.add(step=1).values["gain"] = float("inf")
    with pytest.raises(InvalidFields) as refused:
        await bench.do("ReportMeasurements", asked)
    assert [v.path for v in refused.value.violations] == ["measurements[0].values.gain"]
    foreign = pb.ReportExamplesRequest(id=run, client="b", number=1)
    foreign.examples.add(example_id="e")
    with pytest.raises(LeaseLost):
        await bench.do("ReportExamples", foreign)


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
