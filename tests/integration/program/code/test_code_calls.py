"""Calling custom code: what it gets, what comes back, what may overlap."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from services.program.code.contract import CodeFault, Limits
from services.program.code.pool import Workers

LIMITS = Limits()
EXAMPLES = [{"inputs": {"text": "x"}, "outputs": {"label": label}} for label in ("sv", "da", "sv")]


async def test_a_function_gets_inputs_and_parameters(workers: Workers) -> None:
    """As they are; its answer is what it returned, its latency that of the call."""
    async with workers.session("echo@1", [], LIMITS) as session:
        await session.prepare(EXAMPLES, {})  # nothing to do
        ran = await session.run({"text": "héj 😀", "n": [1, None]}, {"depth": 3}, 0)
    assert ran.outputs == {"inputs": {"text": "héj 😀", "n": [1, None]}, "parameters": {"depth": 3}}
    assert ran.trace == {}
    assert ran.latency_ms >= 0


async def test_a_prediction_carries_a_trace(workers: Workers) -> None:
    """Which metrics then see."""
    async with workers.session("traced@1", ["steps"], LIMITS) as session:
        ran = await session.run({"text": "a"}, {}, 0)
        scored = await session.score("steps", {"inputs": {}, "outputs": {}}, {"outputs": ran.outputs}, ran.trace, {})
    assert (ran.outputs, ran.trace) == ({"answer": "a"}, {"steps": [1, 2, 3]})
    assert scored.scores == {"steps": 3.0}


@pytest.mark.parametrize("later", [False, True])
async def test_a_program_learns_once_and_then_runs(workers: Workers, later: bool) -> None:
    """What `prepare` returns is what runs, sync or async."""
    async with workers.session("learner@1", [], LIMITS) as session:
        await session.prepare(EXAMPLES, {"later": later})
        assert (session.runs_at_once > 1) == later
        assert (await session.run({"text": "y"}, {}, 0)).outputs == {"label": "sv"}
        await session.prepare(EXAMPLES[1:2], {})
        assert (await session.run({"text": "y"}, {}, 0)).outputs == {"label": "da"}


@pytest.mark.parametrize(
    ("parameters", "error_class", "message"),
    [
        ({"refuse": True}, "EXCEPTION", "prepare raised ValueError: there is nothing to learn"),
        ({"nothing": True}, "BAD_OUTPUT", "prepare must return a function, not None"),
        ({"seconds": 3600}, "TIMEOUT", "prepare did not end within 5000 ms"),
    ],
)
async def test_a_program_that_does_not_learn_says_why(
    workers: Workers, parameters: dict[str, Any], error_class: str, message: str
) -> None:
    """The faults of `prepare` are those of a call."""
    # Its import has as long, on a busy machine too.
    async with workers.session("learner@1", [], Limits(prepare_ms=5000)) as session:
        with pytest.raises(CodeFault) as caught:
            await session.prepare(EXAMPLES, parameters)
    assert (caught.value.error_class, caught.value.message) == (error_class, message)


async def test_async_calls_overlap_and_sync_ones_wait_in_line(workers: Workers) -> None:
    """A meeting of ten takes ten at once; sync calls in line are not on the clock."""
    async with workers.session("meet@1", [], LIMITS) as session:
        assert session.runs_at_once >= 10
        met = await asyncio.gather(*(session.run({}, {"count": 10}, 0) for _ in range(10)))
        assert [each.outputs["calls"] for each in met] == [10] * 10
    async with workers.session("sleep@1", [], Limits(call_ms=2000)) as session:
        assert session.runs_at_once == 1
        await asyncio.gather(*(session.run({}, {"seconds": 0.3}, 0) for _ in range(10)))


@pytest.mark.parametrize("program", ["nest@1", "promise@1"])
async def test_sync_code_may_use_loops_of_its_own(workers: Workers, program: str) -> None:
    """And a sync function may return something to wait for."""
    async with workers.session(program, [], LIMITS) as session:
        assert (await session.run({"text": "a"}, {}, 0)).outputs == {"text": "a"}


async def test_equal_seeds_draw_equally_in_every_process(workers: Workers) -> None:
    """Python's generator and NumPy's, and the order of sets."""
    drawn = []
    for _ in range(2):
        async with workers.session("chance@1", [], LIMITS) as session:
            await session.run({}, {"numpy": True}, 1)  # NumPy is seeded from its import on
            drawn += [await session.run({}, {"numpy": True}, seed) for seed in (7, 2**62, 7)]
        await _renewed(workers)
    assert [ran.outputs for ran in drawn[:3]] == [ran.outputs for ran in drawn[3:]]
    assert drawn[0].outputs == drawn[2].outputs != drawn[1].outputs


async def _renewed(workers: Workers) -> None:
    async with workers.session("crash@1", [], LIMITS), workers.session("echo@1", [], LIMITS):
        pass  # both places are taken by others


async def test_what_code_prints_goes_to_the_log_up_to_a_bound(
    workers: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    """Never on the channel, and a lot of it blocks nothing."""
    caplog.set_level("INFO")
    async with workers.session("chatter@1", [], LIMITS) as session:
        for text in ("a", "b"):
            assert (await session.run({"text": text}, {}, 0)).outputs == {"text": text}
    printed = "".join(r.getMessage() for r in caplog.records if r.name == "services.program.code.printed")
    assert printed.startswith("chatter@1 printed: ")
    assert 10_000 < len(printed) < 20_000


async def test_code_sees_a_folder_of_its_own_and_no_secret(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment is made for it, and its folder goes with it."""
    monkeypatch.setenv("ASHGROVE_LM_API_KEY", "hush")
    async with workers.session("remember@1", [], LIMITS) as session:
        seen = (await session.run({}, {}, 0)).outputs
    assert "hush" not in seen["environment"].values()
    assert seen["folder"] == seen["environment"]["HOME"] == seen["environment"]["TMPDIR"]
    assert seen["environment"].keys() >= {"PATH", "PYTHONPATH"}
    assert seen["environment"]["OPENBLAS_NUM_THREADS"] == seen["environment"]["OMP_NUM_THREADS"] == "1"
    assert seen["pid"] != os.getpid()
    folder = Path(seen["folder"])
    await workers.close()
    assert not _exists(folder)


def _exists(folder: Path) -> bool:
    return folder.exists()
