"""Evaluations of custom programs, and by custom metrics: how they are scored, how they fail, how they are halted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import evaluation_requests_pb2 as rpc
from ashgrove.program.v1 import execution_pb2, program_pb2

from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.testing.waiting import until
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import (
    create_custom,
    create_dataset,
    create_program,
    create_texts,
    evaluated,
    evaluation,
    results_of,
    working,
)


def of_texts(made: program_pb2.Program, dataset: Any, metrics: list[str], **configuration: Any) -> Any:
    """A request for an evaluation with an id."""
    return evaluation(made, dataset, metrics=metrics, evaluation_id=str(new_id()), configuration=configuration)


async def test_custom_and_built_in_metrics_judge_a_custom_program_side_by_side(
    bench: Workbench, coded: Workshop
) -> None:
    """Aggregated as each declares: a mean, and a 95th percentile; feedback and trace are carried along."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 6)
    async with working(coded):
        results, ended = await evaluated(bench, of_texts(made, dataset, ["letters", "exact_match"], short=2))
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and not ended.error
    assert sorted(r.scores["letters"] for r in results) == [1, 2, 3, 4, 5, 6]
    assert ended.scores["letters"] == pytest.approx(5.75) and ended.scores["exact_match"] == 0.5
    assert [dict(r.feedback) for r in results if r.feedback] == [{"letters": "short"}]
    assert 0 < ended.latency_p50_ms <= ended.latency_p95_ms


async def test_a_custom_metric_judges_a_program_that_asks_a_model(bench: Workbench, coded: Workshop) -> None:
    """It agrees with the built-in one that measures the same here."""
    made, dataset = await create_program(bench), await create_dataset(bench)
    async with working(coded):
        _, ended = await evaluated(bench, evaluation(made, dataset, metrics=["overlap", "exact_match"]))
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED
    assert ended.scores["overlap"] == ended.scores["exact_match"] > 0.5


async def test_a_metric_with_parts_gives_all_of_them_or_the_one_that_is_named(
    bench: Workbench, coded: Workshop
) -> None:
    """Each part is aggregated in its own way."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 4)
    async with working(coded):
        results, whole = await evaluated(bench, of_texts(made, dataset, ["judge"]))
        _, part = await evaluated(bench, of_texts(made, dataset, ["judge.length"]))
        _, none = await evaluated(bench, of_texts(made, dataset, ["judge.width"]))
    assert dict(whole.scores) == {"judge.tone": 0.5, "judge.length": 48.0}
    assert {r.feedback["judge"] for r in results} == {"too long"}
    assert dict(part.scores) == {"judge.length": 48.0}
    assert none.status == execution_pb2.WORK_STATUS_FAILED and "judge.length" in none.error


async def test_unknown_metrics_are_refused_with_what_there_is(bench: Workbench, coded: Workshop) -> None:
    """So are the measures that every evaluation knows by itself, and parts of what has none."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 1)
    for name, words in {"taste": "letters", "cost": "every evaluation", "exact_match.part": "letters"}.items():
        with pytest.raises(InvalidFields, match=words):
            await evaluated(bench, of_texts(made, dataset, [name]))


async def test_an_example_that_fails_costs_itself_only(bench: Workbench, coded: Workshop) -> None:
    """It is failed and no zero: it has no score, and the others' are what they are."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 4)
    wrong = {"raise": ["a"], "astray": ["ccc"]}
    async with working(coded):
        results, ended = await evaluated(bench, of_texts(made, dataset, ["exact_match", "letters"], **wrong))
    kinds = {r.error_class for r in results if r.error}
    assert kinds == {execution_pb2.ERROR_CLASS_EXCEPTION, execution_pb2.ERROR_CLASS_BAD_OUTPUT}
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and ended.failed_count == 2
    assert ended.scores["exact_match"] == 0.0
    assert ended.scores["letters"] == pytest.approx(2 + 0.95 * 2)
    assert all(not r.scores and not r.HasField("outputs") for r in results if r.error)


async def test_an_evaluation_without_any_value_of_a_metric_fails(bench: Workbench, coded: Workshop) -> None:
    """With the class and the words of the first example that failed; what was finished is kept."""
    made, dataset = await create_custom(bench, "fail@1"), await create_texts(bench, 2)
    async with working(coded):
        results, ended = await evaluated(bench, of_texts(made, dataset, ["exact_match", "letters"]))
    assert ended.status == execution_pb2.WORK_STATUS_FAILED and len(results) == 2
    assert ended.error_class == execution_pb2.ERROR_CLASS_EXCEPTION and "letters" in ended.error
    assert ended.scores == {}


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("nan", "finite"),
        ("infinite", "finite"),
        ("outside", "outside its declared range"),
        ("text", "must be a number"),
        ("fail", "raised KeyError"),
        ("huge", "beyond all numbers"),
    ],
)
async def test_a_metric_that_breaks_its_promise_fails_the_evaluation(
    bench: Workbench, coded: Workshop, metric: str, words: str
) -> None:
    """Not a number, infinite, outside its range, no number at all, or a sum of finite scores that is none."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 4)
    async with working(coded):
        _, ended = await evaluated(bench, of_texts(made, dataset, [metric]))
        _, other = await evaluated(bench, of_texts(made, dataset, ["exact_match"]))
    assert (ended.status, ended.error_class) == (execution_pb2.WORK_STATUS_FAILED, execution_pb2.ERROR_CLASS_METRIC)
    assert words in ended.error
    assert other.status == execution_pb2.WORK_STATUS_COMPLETED


async def test_a_metric_that_cannot_be_imported_fails_the_evaluation(bench: Workbench, coded: Workshop) -> None:
    """Before any example is run."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 2)
    async with working(coded):
        results, ended = await evaluated(bench, of_texts(made, dataset, ["backwards"]))
    assert ended.status == execution_pb2.WORK_STATUS_FAILED and not results
    assert ended.error_class == execution_pb2.ERROR_CLASS_IMPORT and "low must be less than high" in ended.error


@pytest.mark.parametrize(
    ("entry_point", "kind"),
    [
        ("crash@1", execution_pb2.ERROR_CLASS_CRASH),
        ("leak@1", execution_pb2.ERROR_CLASS_MEMORY_LIMIT),
        ("loop@1", execution_pb2.ERROR_CLASS_TIMEOUT),
        ("raises@1", execution_pb2.ERROR_CLASS_IMPORT),
    ],
)
async def test_code_that_kills_its_process_costs_its_evaluation_only(
    bench: Workbench, coded: Workshop, entry_point: str, kind: int
) -> None:
    """One beside it completes, and the same worker takes the next."""
    limit = 1_000 if kind == execution_pb2.ERROR_CLASS_TIMEOUT else 60_000
    wicked, dataset = await create_custom(bench, entry_point, timeout_ms=limit), await create_texts(bench, 4)
    sound = await create_custom(bench, "fickle@1")
    async with working(coded):
        (_, failed), (_, beside) = await asyncio.gather(
            evaluated(bench, of_texts(wicked, dataset, ["exact_match"])),
            evaluated(bench, of_texts(sound, dataset, ["exact_match"])),
        )
        _, after = await evaluated(bench, of_texts(sound, dataset, ["exact_match"]))
    assert (failed.status, failed.error_class) == (execution_pb2.WORK_STATUS_FAILED, kind) and failed.error
    assert beside.status == after.status == execution_pb2.WORK_STATUS_COMPLETED


@pytest.mark.parametrize("verb", ["Pause", "Cancel"])
async def test_a_call_in_its_middle_is_stopped_and_what_was_finished_is_kept(
    bench: Workbench, coded: Workshop, tmp_path: Path, verb: str
) -> None:
    """Its process is killed, not waited for; a paused evaluation goes on with what is left, and only with that."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 4)
    log, gate = tmp_path / "log", tmp_path / "gate"
    request = of_texts(made, dataset, ["letters"], wait=["ccc"], log=str(log), gate=str(gate))

    async def waits() -> bool:
        # What is not committed when it is cancelled is not kept.
        if not log.exists() or "ccc" not in log.read_text():
            return False
        return len(await results_of(bench, request.evaluation_id)) == 2

    async with working(coded):
        stream = asyncio.create_task(evaluated(bench, request))
        await until(waits)
        asked = getattr(rpc, f"{verb}EvaluationRequest")(id=request.evaluation_id)
        await bench.do(f"{verb}Evaluation", asked)
        results, halted = await stream
        # The worker is free although nobody has opened the gate: the call was not waited for.
        _, other = await evaluated(bench, of_texts(made, dataset, ["letters"]))
        assert other.status == execution_pb2.WORK_STATUS_COMPLETED
        assert [r.outputs["answer"] for r in results] == ["a", "bb"]
        assert halted.status == getattr(execution_pb2, f"WORK_STATUS_{verb.upper()}{'D' if verb == 'Pause' else 'LED'}")
        gate.touch()
        again, ended = await evaluated(bench, request)
    calls = log.read_text().split()
    if verb == "Cancel":
        assert ended == halted and calls == ["a", "bb", "ccc"]
        return
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and again[:2] == results
    assert calls == ["a", "bb", "ccc", "ccc", "dddd"]
    assert ended.scores["letters"] == pytest.approx(3 + 0.85)


async def test_an_evaluation_goes_on_elsewhere_when_a_workers_processes_are_closed(
    bench: Workbench, coded: Workshop, tmp_path: Path
) -> None:
    """A worker that is told to stop fails nobody's evaluation."""
    made, dataset = await create_custom(bench, "fickle@1"), await create_texts(bench, 3)
    log, gate = tmp_path / "log", tmp_path / "gate"
    request = of_texts(made, dataset, ["letters"], wait=["bb"], log=str(log), gate=str(gate))

    async def waits() -> bool:
        return log.exists() and "bb" in log.read_text()

    async with working(coded, "first"):
        stream = asyncio.create_task(evaluated(bench, request))
        await until(waits)
    gate.touch()
    async with working(coded, "second"):
        results, ended = await stream
    assert ended.status == execution_pb2.WORK_STATUS_COMPLETED and len(results) == 3
    assert log.read_text().split() == ["a", "bb", "bb", "ccc"]
    assert len(await results_of(bench, ended.id)) == 3
