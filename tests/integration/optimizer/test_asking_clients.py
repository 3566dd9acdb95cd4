"""The Python client's loop against a service that listens: trials are asked for, told and taken up again."""

import asyncio
from typing import Any

import pytest
from ashgrove.client import Client
from ashgrove.errors import Unavailable
from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import optimization_run_pb2 as run_pb

from framework.testing.serving import served
from framework.testing.workbench import Workbench
from tests.integration.optimizer.asked import let_end, now, opened


async def test_the_loop_goes_on_until_the_run_has_ended(bench: Workbench) -> None:
    """Also over a lease that ended meanwhile, and as the same client after a restart."""
    run = await opened(bench, max_trials=4)
    async with served(bench) as service:
        loop = asyncio.get_running_loop()

        def works() -> list[Any]:
            told = []
            with Client(f"127.0.0.1:{service.port}", api_key=service.issuer.token(bench.user)) as client:
                (left,) = [next(client.runs.asking(run, "me"))]
                for trial in client.runs.asking(run, "me"):
                    assert set(trial.values) == {"x", "n"} and isinstance(trial.values["n"], int)
                    assert not trial.report(1, gain=0.1)
                    assert not trial.report_examples([pb.ReportedExample(example_id="e", scores={"gain": 1})])
                    asyncio.run_coroutine_threadsafe(let_end(bench, run, trial.number), loop).result(20)
                    standing = trial.tell({"gain": trial.values["x"]}, tokens=3)
                    told.append(trial.number)
                assert left.number == told[0] and standing.status == run_pb.OptimizationRun.STATUS_COMPLETED
            return told

        assert await asyncio.to_thread(works) == [1, 2, 3, 4]
    assert (await now(bench, run)).completed_trials == 4


async def test_trials_asked_for_ahead_are_told_in_batches(bench: Workbench) -> None:
    """Each once; a lease that ended is renewed, one that another client has does not hold the others back."""
    run = await opened(bench, max_trials=9)
    async with served(bench) as service:
        loop = asyncio.get_running_loop()

        def works() -> list[int]:
            seen = []
            with Client(f"127.0.0.1:{service.port}", api_key=service.issuer.token(bench.user)) as client:
                for trial in client.runs.asking(run, "me", ahead=3):
                    if trial.number == 2:
                        asyncio.run_coroutine_threadsafe(let_end(bench, run, 1, 2), loop).result(20)
                    if trial.number == 6:
                        asyncio.run_coroutine_threadsafe(let_end(bench, run, 5), loop).result(20)
                        (stolen,) = client.runs.suggest(run, "thief").trials
                    trial.tell({"gain": trial.values["x"]})
                    seen.append(trial.number)
                    if trial.number == 7:
                        break
                told = pb.TrialCompletion(number=stolen.number, objectives={"gain": 0})
                client.runs._call("CompleteTrials", id=run, client="thief", completions=[told])
                for trial in client.runs.asking(run, "me", ahead=3):
                    seen.append(trial.number)
                    standing = trial.tell({"gain": trial.values["x"]})
                assert standing.status == run_pb.OptimizationRun.STATUS_COMPLETED
            return seen

        assert await asyncio.to_thread(works) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert (await now(bench, run)).completed_trials == 9


async def test_what_a_service_that_was_away_did_not_hear_is_told_with_the_next(bench: Workbench) -> None:
    """Nothing that was evaluated is lost: not what was kept for one call with others either."""
    run = await opened(bench, max_trials=6)
    async with served(bench) as service:

        def works() -> None:
            with Client(f"127.0.0.1:{service.port}", api_key=service.issuer.token(bench.user)) as client:
                connection = client.runs._connection
                asked, away = connection.call, True

                def call(method: Any, request: Any, *more: Any) -> Any:
                    if away and isinstance(request, pb.CompleteTrialsRequest):
                        raise Unavailable("away for a moment")
                    return asked(method, request, *more)

                connection.call = call  # type: ignore[method-assign]
                for trial in client.runs.asking(run, "me", ahead=3):
                    if trial.number != 3:
                        trial.tell({"gain": trial.values["x"]})
                        continue
                    with pytest.raises(Unavailable):
                        trial.tell({"gain": trial.values["x"]})
                    away = False

        await asyncio.to_thread(works)
    assert (await now(bench, run)).completed_trials == 6
