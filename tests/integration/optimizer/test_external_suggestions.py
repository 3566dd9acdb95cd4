"""What external runs suggest: the same whatever is remembered, whoever asks, in whatever order."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.optimizer.v1 import trial_pb2

from framework.engine import Engine
from framework.testing.workbench import Workbench
from services.optimizer.warm import WarmRuns
from tests.integration.optimizer.asked import Run, ask, now, opened, reached, tell, trials
from tests.integration.optimizer.books import Grants


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
