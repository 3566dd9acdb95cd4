"""What an external run tried already is not tried again: the trial is a copy, and an exhausted space is the end."""

import asyncio
from typing import Any

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.variables.v1 import variable_space_pb2 as space_pb

from framework.errors import LeaseLost
from framework.testing.workbench import Workbench
from services.optimizer.external import beginning
from tests.integration.optimizer.asked import Kind, Run, ask, now, numbers, opened, reached, story, tell, trials

Trial = trial_pb2.Trial
COPIED = Trial.ORIGIN_COPIED
BRANCH = space_pb.Variable(name="branch", boolean=space_pb.BooleanDomain())


def small(points: int) -> space_pb.VariableSpace:
    space = space_pb.VariableSpace()
    space.variables.add(name="n", integer=space_pb.IntegerDomain(low=1, high=points))
    return space


def gain(trial: Trial) -> float:
    return round(trial.configuration["n"] / 10, 3)


@pytest.mark.parametrize("strategy", ["RANDOM", "BAYESIAN", "EVOLUTIONARY", "SOBOL"])
async def test_a_small_space_is_tried_once_and_then_the_run_is_done(bench: Workbench, strategy: str) -> None:
    """Each of its points once, however often it is proposed; copies have what their originals reached."""
    run = await opened(bench, small(4), max_trials=2000, strategy=Run.Strategy.Value(f"STRATEGY_{strategy}"), seed=3)
    tried = []
    while (answer := await ask(bench, run)).standing.status == Run.STATUS_RUNNING:
        for trial in answer.trials:
            tried.append(trial.configuration["n"])
            await tell(bench, run, "a", reached(trial.number, gain(trial), tokens=7))
    assert sorted(tried) == [1, 2, 3, 4]
    done = await now(bench, run)
    assert (done.status, done.end_reason) == (Run.STATUS_COMPLETED, Run.END_REASON_EXHAUSTED)
    all_of = await trials(bench, run)
    assert done.completed_trials == len(all_of) and sum(each.tokens for each in all_of) == 28
    by_number = {each.number: each for each in all_of}
    for copy in (each for each in all_of if each.origin == COPIED):
        first = by_number[copy.origin_trial_number]
        assert first.origin == Trial.ORIGIN_SUGGESTED and copy.objectives == first.objectives
        assert copy.configuration == first.configuration and not copy.client


async def test_a_copy_of_what_is_being_tried_ends_with_it(bench: Workbench) -> None:
    """It is nobody's meanwhile, and takes no place of the run's; also a failure is copied."""
    run = await opened(bench, small(2), max_trials=30, parallelism=2, seed=1)
    first = (await ask(bench, run, "a")).trials[0]
    second = (await ask(bench, run, "b")).trials[0]
    assert first.configuration != second.configuration
    copies = [each for each in await trials(bench, run) if each.origin == COPIED]
    assert copies
    with pytest.raises(LeaseLost):
        await tell(bench, run, "b", reached(copies[0].number))
    assert all(each.status == Trial.STATUS_RUNNING and not each.HasField("lease_until") for each in copies)
    await tell(bench, run, "a", pb.TrialCompletion(number=first.number, error="no such kernel", infeasible=True))
    await tell(bench, run, "b", reached(second.number, 0.4))
    ended = {each.number: each for each in await trials(bench, run)}
    for each in copies:
        same, copy = ended[each.origin_trial_number], ended[each.number]
        assert (copy.status, copy.error, copy.infeasible) == (same.status, same.error, same.infeasible)
    assert (await ask(bench, run, "a")).standing.end_reason == Run.END_REASON_EXHAUSTED


async def test_what_failed_is_tried_again(bench: Workbench) -> None:
    """Unless it cannot be tried at all: a failure says nothing of the next time."""
    run = await opened(bench, small(1), max_trials=3)
    for number in (1, 2):
        assert numbers(await ask(bench, run)) == [number]
        await tell(bench, run, "a", pb.TrialCompletion(number=number, error="timed out"))
    assert numbers(await ask(bench, run)) == [3]
    await tell(bench, run, "a", reached(3))
    assert (await now(bench, run)).end_reason == Run.END_REASON_TRIALS


async def test_a_turn_makes_only_so_many_copies(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the client is told to ask again at once, and the run goes on to its most trials."""
    monkeypatch.setattr(beginning, "MOST_COPIES", 2)
    run = await opened(bench, small(6), max_trials=40, seed=2)
    asked = told = 0
    while (answer := await ask(bench, run)).standing.status == Run.STATUS_RUNNING:
        before, asked = asked, asked + 1
        assert answer.trials or answer.wait_seconds == 1
        for trial in answer.trials:
            told += 1
            await tell(bench, run, "a", reached(trial.number, gain(trial)))
        assert before < 100
    done = await now(bench, run)
    assert told <= 6 and done.completed_trials == len(await trials(bench, run)) <= 40


async def test_a_trial_that_becomes_another_gives_its_copies_away(bench: Workbench) -> None:
    """A client that defines its space asks for more: what was the same is the same no more, and somebody tries it."""
    run = await opened(bench, small(3), max_trials=12, seed=1)
    given = [(await ask(bench, run, name)).trials for name in "abc"]
    assert sorted(t.configuration["n"] for each in given for t in each) == [1, 2, 3]
    copies = [each for each in await trials(bench, run) if each.origin == COPIED]
    assert copies
    for name, each in zip("abc", given, strict=True):
        request = pb.ExtendSpaceRequest(id=run, client=name, number=each[0].number, variables=[BRANCH])
        await bench.do("ExtendSpace", request)
    *more, new = (await ask(bench, run, "d", len(copies) + 1)).trials
    assert [each.number for each in more] == [each.number for each in copies]
    assert {each.origin for each in more} == {Trial.ORIGIN_SUGGESTED}
    assert new.configuration["branch"] in (True, False)


async def test_a_copy_is_told_as_any_trial_is(bench: Workbench) -> None:
    """Begun, with whose copy it is, and ended, with what the run came to."""
    run = await opened(bench, small(5), max_trials=300, seed=4)
    while (answer := await ask(bench, run)).trials:
        await tell(bench, run, "a", *(reached(each.number, gain(each)) for each in answer.trials))
    kinds = await story(bench, run)
    copies = [each for each in await trials(bench, run) if each.origin == COPIED]
    assert copies and kinds.count(Kind.TYPE_TRIAL_STARTED) == kinds.count(Kind.TYPE_TRIAL_COMPLETED) == len(copies) + 5
    assert kinds[-1] == Kind.TYPE_RUN_ENDED


async def test_many_clients_of_a_small_space_try_each_point_once(bench: Workbench) -> None:
    """Whoever asks at the same moment as others."""
    run = await opened(bench, small(12), max_trials=500, seed=6)
    tried: list[Any] = []

    async def work(name: str) -> None:
        while (answer := await ask(bench, run, name)).standing.status == Run.STATUS_RUNNING:
            for trial in answer.trials:
                tried.append(trial.configuration["n"])
                await asyncio.sleep(0.01)
                await tell(bench, run, name, reached(trial.number, 0.5))
            await asyncio.sleep(0 if answer.trials else 0.02)

    await asyncio.gather(*(work(f"client {n}") for n in range(5)))
    assert sorted(tried) == [*range(1, 13)]
