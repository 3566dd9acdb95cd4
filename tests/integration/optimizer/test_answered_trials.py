"""Trials as clients are given them: nobody reads back what a turn wrote, and it is what the table holds."""

import asyncio
from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import trial_pb2
from ashgrove.program.v1 import execution_pb2
from ashgrove.variables.v1 import variable_space_pb2

from framework.testing.serving import served
from framework.testing.workbench import Workbench
from tests.integration.optimizer.asked import Run, ask, now, opened, reached, tell, trials

_ENDS: list[tuple[str, dict[str, Any]]] = [
    ("reached", {"objectives": {"gain": 0.25}, "metric_calls": 3, "tokens": 40, "cost_micros": 7}),
    ("failed", {"error": "no answer", "error_class": execution_pb2.ERROR_CLASS_TIMEOUT}),
    ("infeasible", {"infeasible": True}),
    ("partial", {"objectives": {"gain": 1.0}, "used_variables": ["n"]}),
]


@pytest.mark.parametrize("strategy", [Run.STRATEGY_RANDOM, Run.STRATEGY_BAYESIAN])
@pytest.mark.parametrize("end", [end for _, end in _ENDS], ids=[name for name, _ in _ENDS])
async def test_what_is_answered_is_what_was_written(
    bench: Workbench, strategy: Run.Strategy.ValueType, end: dict[str, Any]
) -> None:
    """Whether trials begin or end, and beside others in the same turn."""
    run = await opened(bench, strategy=strategy)
    given = (await ask(bench, run, count=3, lease_seconds=90)).trials
    assert list(given) == await trials(bench, run)
    told = [pb.TrialCompletion(number=given[1].number, **end), reached(given[0].number, 0.75)]
    answer = await tell(bench, run, "a", *told)
    stored = await trials(bench, run)
    assert list(answer.trials) == [stored[1], stored[0]]
    assert list((await tell(bench, run, "a", *told)).trials) == [stored[1], stored[0]]
    assert list((await ask(bench, run, count=1)).trials) == (await trials(bench, run))[2:]


async def test_a_copy_ends_as_its_original_in_the_table_too(bench: Workbench) -> None:
    """It is written twice in one turn, and answered to nobody."""
    space = variable_space_pb2.VariableSpace()
    space.variables.add(name="n", integer=variable_space_pb2.IntegerDomain(low=1, high=4))
    run = await opened(bench, space, seed=1, max_trials=100)
    while given := (await ask(bench, run)).trials:
        (ended,) = (await tell(bench, run, "a", reached(given[0].number, tokens=5))).trials
        assert ended == (await trials(bench, run))[ended.number - 1]
    stored = await trials(bench, run)
    copies = [each for each in stored if each.origin == trial_pb2.Trial.ORIGIN_COPIED]
    assert copies and len(stored) == len(copies) + 4
    for each in copies:
        original = stored[each.origin_trial_number - 1]
        assert (each.objectives, each.status, each.tokens) == (original.objectives, original.status, 0)
        assert each.HasField("completed_at") and not each.HasField("lease_until")


async def test_a_loop_that_is_left_leaves_others_what_it_did_not_begin(bench: Workbench) -> None:
    """The call that tells asks for the next; that one is not held for as long as its lease would last."""
    run = await opened(bench, max_trials=2)
    async with served(bench) as service:

        def works() -> int:
            with Client(f"127.0.0.1:{service.port}", api_key=service.issuer.token(bench.user)) as client:
                for trial in client.runs.asking(run, "me", lease_seconds=3600):
                    trial.tell({"gain": trial.values["x"]})
                    break
                for other in client.runs.asking(run, "you"):
                    other.tell({"gain": 0.5})
            return int(other.number)

        assert await asyncio.wait_for(asyncio.to_thread(works), 60) == 2
    assert (await now(bench, run)).completed_trials == 2
