"""Turns that take a run for what the last one left: they read nothing, and others may have changed it in between."""

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_requests_pb2 as run_rpc
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.variables.v1 import variable_space_pb2

from framework.engine import Engine
from framework.errors import Failure, IllegalState, LeaseLost, NotFound
from framework.testing.workbench import Workbench
from services.optimizer import as_left
from services.optimizer.as_left import VERSIONS, AsLeft
from services.optimizer.warm import Warm
from tests.integration.optimizer.asked import Run, ask, let_end, now, numbers, opened, reached, story, tell, trials
from tests.integration.optimizer.books import Grants, told

Change = Callable[[Workbench, str], Awaitable[Any]]


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """However slow the machine is: what is remembered stays fresh, and others stay others."""
    slow = patch.multiple(as_left, FRESH_SECONDS=1e4, LATE_SECONDS=1e3)
    with slow, patch("services.optimizer.warm.READ_SECONDS", 1e4):
        yield


def replica(bench: Workbench) -> Workbench:
    """Returns another process of the service: it has the same database and remembers nothing."""
    engine = bench.engine
    return replace(bench, engine=Engine(bench.registry, bench.database, engine.hints, engine.seal, Grants()))


def warm(bench: Workbench, run: str) -> Warm | None:
    found: dict[Any, Warm] = bench.engine.application.warm._known
    return next((each for key, each in found.items() if str(key[1]) == run), None)


def left(bench: Workbench, run: str) -> AsLeft | None:
    known = warm(bench, run)
    return known.left if known else None


async def begun(bench: Workbench, **fields: Any) -> str:
    """Returns a run at which `a` has trial 2, as its process has left it: the next turn does not read it."""
    run = await opened(bench, **fields)
    await ask(bench, run)
    await tell(bench, run, "a", reached(1, 0.5))
    await ask(bench, run)
    assert left(bench, run)
    return run


async def test_a_run_that_nobody_else_has_changed_is_read_once(bench: Workbench) -> None:
    """Asking, telling, both in one call, and a sign of life; what is told and kept is what the table holds."""
    run = await begun(bench)
    await bench.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="a"))  # whether one may is read once, too
    known = left(bench, run)
    assert known is not None
    given = await bench.do(
        "CompleteTrials",
        pb.CompleteTrialsRequest(id=run, client="a", completions=[reached(2, 0.75)], next_count=2),
    )
    await bench.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="a", lease_seconds=100))
    told_of = (await tell(bench, run, "a", reached(4), reached(3))).trials
    asked = (await ask(bench, run, "b")).trials
    assert [each.number for each in (*given.trials, *given.next, *told_of, *asked)] == [2, 3, 4, 4, 3, 5]
    assert left(bench, run) is known
    stored = await trials(bench, run)
    assert (given.trials[0], *reversed(told_of), *asked) == tuple(stored[1:])
    assert (await now(bench, run)).completed_trials == 4
    assert [each.sequence for each in await told(bench, known.row)] == list(range(1, known.row["last_sequence"] + 1))


async def _another_asks(other: Workbench, run: str) -> None:
    assert numbers(await ask(other, run, "b")) == [3]


async def _another_tells(other: Workbench, run: str) -> None:
    await tell(other, run, "a", reached(2, 0.25))


async def _another_renews(other: Workbench, run: str) -> None:
    await other.do("RenewTrials", pb.RenewTrialsRequest(id=run, client="a", lease_seconds=1000))


async def _another_reports(other: Workbench, run: str) -> None:
    example = pb.ReportedExample(example_id="e", scores={"gain": 1}, tokens=7)
    await other.do("ReportExamples", pb.ReportExamplesRequest(id=run, client="a", number=2, examples=[example]))


async def _another_grows_the_space(other: Workbench, run: str) -> None:
    added = variable_space_pb2.Variable(name="y", float=variable_space_pb2.FloatDomain(low=0, high=1))
    await other.do("ExtendSpace", pb.ExtendSpaceRequest(id=run, client="a", number=2, variables=[added]))


async def _it_rests_for_a_while(other: Workbench, run: str) -> None:
    await other.do("PauseOptimizationRun", run_rpc.PauseOptimizationRunRequest(id=run))
    await other.do("ResumeOptimizationRun", run_rpc.ResumeOptimizationRunRequest(id=run))


async def _leases_end(other: Workbench, run: str) -> None:
    await let_end(other, run, 2)
    assert numbers(await ask(other, run, "b")) == [2]
    await let_end(other, run, 2)
    assert numbers(await ask(other, run, "a")) == [2]


@pytest.mark.parametrize("strategy", [Run.STRATEGY_RANDOM, Run.STRATEGY_BAYESIAN])
@pytest.mark.parametrize(
    "change",
    [
        _another_asks,
        _another_tells,
        _another_renews,
        _another_reports,
        _another_grows_the_space,
        _it_rests_for_a_while,
        _leases_end,
    ],
)
async def test_what_others_did_in_between_holds(
    bench: Workbench, change: Change, strategy: Run.Strategy.ValueType
) -> None:
    """The turn that took the run for what it was is taken again, and goes by what it is."""
    run = await begun(bench, strategy=strategy)
    other = replica(bench)
    await change(other, run)
    before, versions = await trials(bench, run), await _versions(bench, run)
    answer = await bench.do(
        "CompleteTrials",
        pb.CompleteTrialsRequest(id=run, client="a", completions=[reached(2, 0.25)], next_count=1),
    )
    stored = await trials(bench, run)
    assert answer.trials[0] == stored[1] and answer.trials[0].tokens == before[1].tokens
    assert list(answer.next) == [stored[-1]] and len(stored) == len(before) + 1
    assert stored[-1].configuration.keys() == stored[1].configuration.keys()
    assert answer.standing.completed_trials == (await now(bench, run)).completed_trials == 2
    assert await _versions(bench, run) > versions
    assert numbers(await ask(other, run, "a")) == [len(stored)]


async def _versions(bench: Workbench, run: str) -> tuple[int, ...]:
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT * FROM optimization_runs WHERE id = %(id)s", {"id": run})
    assert row is not None
    return tuple(row[name] for name in VERSIONS)


async def test_who_may_no_longer_have_a_turn_hears_so(bench: Workbench) -> None:
    """Rights are asked of the database in every turn, and another's turn is not taken for one's own."""
    run = await begun(bench)
    with pytest.raises(NotFound):
        await bench.do("SuggestTrials", pb.SuggestTrialsRequest(id=run, client="a"), actor=bench.colleague)
    async with bench.database.system() as tx:
        whose = {"id": run, "owner": bench.colleague.id}
        await tx.execute("UPDATE optimization_runs SET owner_id = %(owner)s WHERE id = %(id)s", whose)
    with pytest.raises(NotFound):
        await tell(bench, run, "a", reached(2))
    whole = pb.CompleteTrialsRequest(id=run, client="a", completions=[reached(2)])
    assert (await bench.do("CompleteTrials", whole, actor=bench.colleague)).standing.completed_trials == 2


@pytest.mark.parametrize("rpc", ["PauseOptimizationRun", "CancelOptimizationRun"])
async def test_a_run_that_was_stopped_gives_nothing_more(bench: Workbench, rpc: str) -> None:
    """Whoever stopped it, and wherever."""
    run = await begun(bench)
    await bench.do(rpc, getattr(run_rpc, f"{rpc}Request")(id=run))
    assert not (await ask(bench, run, "b")).trials
    if rpc == "CancelOptimizationRun":
        with pytest.raises(IllegalState):
            await tell(bench, run, "a", reached(2))


async def _over(bench: Workbench, run: str, known: AsLeft) -> None:
    """Has the lease on trial 2 be over, as time does: here and in the table, with nothing counted up."""
    until = known.open[2]["lease_until"] - timedelta(hours=1)
    known.open[2]["lease_until"] = until
    async with bench.database.system() as tx:
        trial = "optimization_run_id = %(run)s AND number = 2"
        await tx.execute(f"UPDATE trials SET lease_until = %(until)s WHERE {trial}", {"run": run, "until": until})


async def test_leases_end_by_themselves(bench: Workbench) -> None:
    """A trial is handed on by the time, with nothing read."""
    run = await begun(bench)
    known = left(bench, run)
    assert known is not None
    await _over(bench, run, known)
    with pytest.raises(LeaseLost, match="has ended"):
        await tell(bench, run, "a", reached(2))
    assert numbers(await ask(bench, run, "b")) == [2]
    assert (await trials(bench, run))[1].client == "b"


async def _is_given_another(bench: Workbench, run: str) -> None:
    assert numbers(await ask(bench, run, "b")) == [3]


async def _is_not_refused(bench: Workbench, run: str) -> None:
    assert (await tell(bench, run, "a", reached(2))).standing.completed_trials == 2


@pytest.mark.parametrize("act", [_is_given_another, _is_not_refused])
async def test_a_lease_that_was_renewed_elsewhere_holds(bench: Workbench, act: Change) -> None:
    """Nothing was told of it: only the trial's own version says so."""
    run = await begun(bench)
    known = left(bench, run)
    assert known is not None
    await _over(bench, run, known)
    await _another_renews(replica(bench), run)
    await act(bench, run)


async def test_a_row_that_was_changed_without_a_word_is_read(bench: Workbench) -> None:
    """Its version alone says so."""
    run = await begun(bench)
    async with bench.database.system() as tx:
        fewer = "UPDATE optimization_runs SET max_trials = 2, lock_version = lock_version + 1 WHERE id = %(id)s"
        await tx.execute(fewer, {"id": run})
    assert not (await ask(bench, run, "b")).trials


async def test_a_front_that_grew_elsewhere_is_the_front(bench: Workbench) -> None:
    """It has the number that the mistaken turn had for its own."""
    run = await begun(bench)
    await ask(bench, run, count=3)
    await tell(replica(bench), run, "a", reached(2, 0.9))
    await tell(bench, run, "a", reached(3, 0.7))
    await tell(bench, run, "a", reached(4, 0.8))
    front = await bench.do("GetParetoFront", run_rpc.GetParetoFrontRequest(id=run))
    assert [(point.trial_number, point.objectives["gain"]) for point in front.points] == [(2, 0.9)]
    assert [change.trial_number for change in front.history] == [1, 2]
    assert (await now(bench, run)).best_trial_id == (await trials(bench, run))[1].id


async def test_a_clock_that_is_another_is_read(bench: Workbench) -> None:
    """As after the machine was asleep: a lease counts from now."""
    run = await begun(bench)
    known = left(bench, run)
    assert known is not None
    known.clock.since += 5e3
    until = (await ask(bench, run, "b", lease_seconds=300)).trials[0].lease_until
    async with bench.database.system() as tx:
        found = await tx.fetch_one("SELECT clock_timestamp() AS now")
    assert found is not None and 0 < until.ToSeconds() - found["now"].timestamp() <= 301


async def test_a_run_is_remembered_again_once_others_are_gone(bench: Workbench) -> None:
    """It is read for a while, so that two processes that take turns are not wrong in each."""
    run = await begun(bench)
    await ask(replica(bench), run, "b")
    known = warm(bench, run)
    assert known is not None
    for _ in range(3):
        await ask(bench, run, "a")
        assert known.left is None
    known.read_until = time.monotonic()
    await ask(bench, run, "a")
    assert known.left is not None


async def test_what_ended_in_a_turn_that_failed_is_as_it_was(bench: Workbench) -> None:
    """What the transaction wrote is undone, and nothing of it remembered."""
    run = await begun(bench)
    with (
        patch("services.optimizer.external.taking.WRITTEN", side_effect=OSError),
        pytest.raises(OSError),
    ):
        await tell(bench, run, "a", reached(2))
    assert left(bench, run) is None
    assert (await tell(bench, run, "a", reached(2))).standing.completed_trials == 2
    assert (await story(bench, run)).count(RunEvent.TYPE_TRIAL_COMPLETED) == 2


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_remembered_is_what_the_table_holds(bench: Workbench, seed: int) -> None:
    """A walk of two processes at one run: wherever the versions are the same, so is all else."""
    source = random.Random(seed)
    objective = [Run.STRATEGY_RANDOM, Run.STRATEGY_BAYESIAN][seed % 2]
    run = await opened(bench, strategy=objective, max_trials=40, parallelism=source.choice([0, 5]), seed=seed + 1)
    benches, alone = [bench, replica(bench)], 0
    for _ in range(60):
        at = source.choices(benches, [0.9, 0.1])[0]
        with suppress(Failure):  # such as a lease that was lost: nothing is to come of it
            await _step(source, at, run)
        for each in benches:
            known = left(each, run)
            alone += known is not None
            if known is not None and known.versions == dict(zip(VERSIONS, await _versions(bench, run), strict=True)):
                await _compare(bench, run, known)
    assert alone > 10


async def _step(source: random.Random, at: Workbench, run: str) -> None:
    client = source.choice("ab")
    mine = [each for each in await trials(at, run) if each.client == client and each.status == each.STATUS_RUNNING]
    act = source.random()
    if act < 0.35 or not mine:
        await ask(at, run, client, source.randint(1, 3), lease_seconds=source.choice([0, 50]))
    elif act < 0.8:
        ends = [reached(each.number, source.random(), tokens=3) for each in mine[: source.randint(1, 2)]]
        if act < 0.4:
            ends[0] = pb.TrialCompletion(number=mine[0].number, error="it broke")
        request = pb.CompleteTrialsRequest(id=run, client=client, completions=ends, next_count=source.randint(0, 2))
        await at.do("CompleteTrials", request)
    elif act < 0.9:
        await at.do("RenewTrials", pb.RenewTrialsRequest(id=run, client=client))
    elif act < 0.95:
        await _another_reports_of(at, run, client, mine[0].number, source.random())
    else:
        await let_end(at, run, mine[0].number)


async def _another_reports_of(at: Workbench, run: str, client: str, number: int, name: float) -> None:
    example = pb.ReportedExample(example_id=str(name), scores={"gain": 1}, tokens=7)
    await at.do("ReportExamples", pb.ReportExamplesRequest(id=run, client=client, number=number, examples=[example]))


async def _compare(bench: Workbench, run: str, known: AsLeft) -> None:
    async with bench.database.system() as tx:
        row = await tx.fetch_one("SELECT * FROM optimization_runs WHERE id = %(id)s", {"id": run})
        opened = await tx.fetch(
            "SELECT * FROM trials WHERE optimization_run_id = %(id)s AND status = 'STATUS_RUNNING'", {"id": run}
        )
    assert row is not None
    assert {name: row[name] for name in known.row.keys() & row.keys() - {"updated_at"}} == {
        name: known.row[name] for name in known.row.keys() & row.keys() - {"updated_at"}
    }
    versions = {each["number"]: each["lock_version"] for each in opened}
    if sum(versions.values()) == sum(each["lock_version"] for each in known.open.values()):
        assert {each["number"]: each for each in opened} == {
            number: {name: each[name] for name in opened[0]} for number, each in known.open.items()
        }
