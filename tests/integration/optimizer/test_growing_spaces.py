"""Runs of define-by-run clients: the space grows while trials are evaluated, and trials of elsewhere are taken over."""

import asyncio
from typing import Any

import pytest
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.variables.v1 import variable_space_pb2 as space_pb

from framework.errors import IllegalState, InvalidFields, LeaseLost
from framework.testing.workbench import Workbench
from services.optimizer.warm import WarmRuns
from tests.integration.optimizer.asked import Run, ask, now, numbers, opened, reached, tell, trials

Trial = trial_pb2.Trial
RATE = space_pb.Variable(name="rate", float=space_pb.FloatDomain(low=0.001, high=1, log=True))
DEPTH = space_pb.Variable(name="depth", integer=space_pb.IntegerDomain(low=1, high=9))
ALIKE = {"strategy": Run.STRATEGY_BAYESIAN, "strategy_configuration": {"bayesian": {"startup_trials": 3}}, "seed": 5}


async def extend(bench: Workbench, run: str, *variables: space_pb.Variable, client: str = "a", number: int = 0) -> Any:
    request = pb.ExtendSpaceRequest(id=run, client=client, number=number, variables=variables)
    return await bench.do("ExtendSpace", request)


async def take_over(bench: Workbench, run: str, *made: pb.ImportedTrial) -> Any:
    return await bench.do("ImportTrials", pb.ImportTrialsRequest(id=run, trials=made))


def imported(number: int, status: Any = Trial.STATUS_COMPLETED, gain: float | None = 0.5, **fields: Any) -> Any:
    made = pb.ImportedTrial(number=number, status=status, objectives={} if gain is None else {"gain": gain}, **fields)
    made.configuration.update({"x": number / 20, "n": 1 + number % 4})
    return made


async def test_a_variable_is_given_to_the_trial_that_asks_and_to_those_after_it(bench: Workbench) -> None:
    """Twice is once; the trial keeps its value; the run counts its extensions, each trial those that it saw."""
    run = await opened(bench)
    await ask(bench, run, count=2)
    first = await extend(bench, run, RATE, number=1)
    assert first.space_extensions == 1 and 0.001 <= first.trial.configuration["rate"] <= 1
    assert await extend(bench, run, RATE, number=1) == first
    other = await extend(bench, run, RATE, DEPTH, number=2)
    assert other.space_extensions == 2 and set(other.trial.configuration.fields) == {"x", "n", "rate", "depth"}
    (third,) = (await ask(bench, run, "b")).trials
    assert set(third.configuration.fields) == {"x", "n", "rate", "depth"} and third.space_extensions == 2
    assert (await now(bench, run)).space_extensions == 2
    told = reached(2, used_variables=["x", "depth"])
    answer = await tell(bench, run, "a", told)
    assert set(answer.trials[0].configuration.fields) == {"x", "depth"}
    assert set((await now(bench, run)).best_configuration.fields) == {"x", "depth"}


async def test_what_cannot_be_asked_for_is_refused_with_its_reason(bench: Workbench) -> None:
    """Another domain, a condition, a strategy that cannot, another's trial, a variable that the trial has not."""
    run = await opened(bench)
    await ask(bench, run)
    other = space_pb.Variable(name="x", float=space_pb.FloatDomain(low=0, high=2))
    with pytest.raises(IllegalState) as changed:
        await extend(bench, run, other, number=1)
    assert changed.value.metadata["variable"] == "x" and "another domain" in changed.value.message
    with pytest.raises(InvalidFields) as unfit:
        await extend(bench, run, DEPTH, space_pb.Variable(name="late", float=space_pb.FloatDomain(low=3, high=2)))
    assert unfit.value.violations[0].path.startswith("variables[1]")
    with pytest.raises(LeaseLost):
        await extend(bench, run, DEPTH, client="b", number=1)
    with pytest.raises(InvalidFields) as unused:
        await tell(bench, run, "a", reached(1, used_variables=["depth"]))
    assert unused.value.violations[0].path == "completions[0].used_variables"
    grid = await opened(bench, strategy=Run.STRATEGY_GRID_SEARCH)
    with pytest.raises(IllegalState) as fixed:
        await extend(bench, grid, DEPTH)
    assert fixed.value.metadata["strategy"] == "STRATEGY_GRID_SEARCH"
    assert (await now(bench, run)).space_extensions == 0


async def test_what_a_process_remembers_of_a_growing_space_changes_no_suggestion(bench: Workbench) -> None:
    """Branches that exclude each other, learned from in groups: dropped before every call or kept, the same."""
    made = []
    for drops in (True, False):
        run = await opened(bench, max_trials=14, **ALIKE)
        for number in range(1, 15):
            if drops:
                bench.engine.application.warm = WarmRuns()
            await ask(bench, run)
            branch = (RATE, DEPTH)[number % 2]
            given = (await extend(bench, run, branch, number=number)).trial.configuration
            gain = round(given[branch.name] / 20 + given["x"] / 2, 6)
            await tell(bench, run, "a", reached(number, gain, used_variables=["x", branch.name]))
        made.append([(each.configuration, each.informed_count) for each in await trials(bench, run)])
    assert made[0] == made[1]
    assert {frozenset(configuration.fields) for configuration, _ in made[0]} == {
        frozenset({"x", "rate"}),
        frozenset({"x", "depth"}),
    }


async def test_clients_that_ask_for_the_same_at_once_get_one_variable(bench: Workbench) -> None:
    run = await opened(bench)
    for name in "abcd":
        await ask(bench, run, name)
    acts = (extend(bench, run, DEPTH, client=name, number=n) for n, name in enumerate("abcd", 1))
    answers = await asyncio.gather(*acts)
    assert {each.space_extensions for each in answers} == {1}
    assert all("depth" in each.trial.configuration.fields for each in answers)


async def test_trials_of_elsewhere_count_as_the_runs_own(bench: Workbench) -> None:
    """Numbers, ends, values on the way, attributes, times; what was open is handed on; what comes next is informed."""
    run = await opened(bench, max_trials=20, **ALIKE)
    whole = imported(1, gain=0.9, measurements=[pb.Measurement(step=2, values={"gain": 0.4})])
    whole.attributes.update({"user": {"by": "hand"}})
    whole.started_at.FromJsonString("2020-01-02T03:04:05Z")
    whole.completed_at.FromJsonString("2020-01-02T04:04:05Z")
    rest = [
        imported(2, Trial.STATUS_FAILED, None, error="diverged"),
        imported(3, Trial.STATUS_DROPPED, 0.2),
        imported(4, Trial.STATUS_RUNNING, None),
        imported(5, gain=0.1),
    ]
    answer = await take_over(bench, run, whole, *rest)
    assert (answer.added, answer.standing.completed_trials, answer.standing.failed_trials) == (5, 2, 1)
    assert (await take_over(bench, run, whole, *rest)).added == 0
    found = await trials(bench, run)
    assert [each.status for each in found] == [whole.status, *(each.status for each in rest)]
    assert found[0].attributes == whole.attributes and found[0].created_at.ToJsonString() == "2020-01-02T03:04:05Z"
    assert found[0].completed_at == whole.completed_at
    read = await bench.do("GetTrialReports", pb.GetTrialReportsRequest(id=found[0].id))
    assert list(read.measurements) == list(whole.measurements)
    state = await now(bench, run)
    assert (state.best_objectives["gain"], state.dropped_trials, state.front_version) == (0.9, 1, 1)
    given = await ask(bench, run, count=2)
    assert numbers(given) == [4, 6] and given.trials[1].informed_count == 4
    with pytest.raises(IllegalState):
        await take_over(bench, run, imported(7))


async def test_trials_that_do_not_fit_are_refused_whole(bench: Workbench) -> None:
    """A gap, a value outside, an unknown variable, a missing one where the strategy needs it, another end, too many."""
    run = await opened(bench, max_trials=3, strategy=Run.STRATEGY_EVOLUTIONARY)
    outside, unknown, partial = imported(1), imported(2), imported(4)
    outside.configuration["x"] = 7
    unknown.configuration["y"] = 1
    del partial.configuration.fields["x"]
    with pytest.raises(InvalidFields) as refused:
        await take_over(bench, run, outside, unknown, partial, imported(5, gain=None))
    paths = [each.path for each in refused.value.violations]
    assert paths == [
        "trials[0].configuration.x",
        "trials[1].configuration.y",
        "trials[2].configuration",
        "trials[3].objectives.gain",
        "trials[2].number",
        "trials",
    ]
    assert not await trials(bench, run)
    await take_over(bench, run, imported(1))
    with pytest.raises(IllegalState) as another:
        await take_over(bench, run, imported(1, gain=0.6))
    assert another.value.metadata["trial_number"] == "1"
    assert (await now(bench, run)).status == run_pb.OptimizationRun.STATUS_PENDING
