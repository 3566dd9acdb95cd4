"""Custom programs and metrics: what may be declared, what is listed, and how a single execution ends."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, metric_pb2, program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest, UpdateProgramRequest

from framework.errors import InvalidFields
from framework.tasks import stopped
from framework.testing.workbench import Workbench
from services.program.describing import Describing
from services.program.working import Workshop
from tests.integration.program.conftest import ROOT
from tests.integration.program.making import create_custom, custom_program, program, working

ENTRY_POINT = "program.program_config.entry_point"


async def refused(bench: Workbench, wanted: program_pb2.Program) -> dict[str, str]:
    """Returns what is wrong with a program, by path."""
    with pytest.raises(InvalidFields) as failure:
        await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    return {v.path: v.message for v in failure.value.violations}


async def test_a_custom_program_names_registered_code(bench: Workbench, coded: Workshop) -> None:
    """What is not registered is refused with the names of what is; a path is only a name that is not registered."""
    made = await create_custom(bench, "traced@1")
    assert made.program_config.entry_point == "traced@1"
    for name in ("absent@9", "traced", "/etc/passwd", "os:system"):
        faults = await refused(bench, custom_program(name))
        assert faults.keys() == {ENTRY_POINT} and "echo@1" in faults[ENTRY_POINT]
    assert "is required" in (await refused(bench, custom_program("")))[ENTRY_POINT]


async def test_settings_of_models_and_settings_of_code_do_not_mix(bench: Workbench, coded: Workshop) -> None:
    """Each kind of program refuses the other's."""
    code = custom_program("traced@1", model="local/nearest-demo", max_tokens=3)
    assert (await refused(bench, code)).keys() == {f"program.program_config.{n}" for n in ("model", "max_tokens")}
    asking = program()
    asking.program_config.entry_point = "traced@1"
    asking.program_config.limits.memory_mb = 100
    assert (await refused(bench, asking)).keys() == {f"program.program_config.{n}" for n in ("entry_point", "limits")}
    wide = custom_program("traced@1")
    wide.program_config.limits.memory_mb = 1
    assert (await refused(bench, wide)).keys() == {"program.program_config.limits.memory_mb"}


async def test_a_program_whose_code_is_gone_can_still_be_renamed(
    bench: Workbench, coded: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only new code must be registered."""
    made = await create_custom(bench, "traced@1")
    monkeypatch.setattr("services.program.code.registry._seen", {})
    monkeypatch.setattr("services.program.code.registry.entry_points", lambda **_: [])
    made.description = "to be ported"
    assert (await bench.do("UpdateProgram", UpdateProgramRequest(program=made))).description == "to be ported"
    made.program_config.entry_point, made.etag = "traced@2", ""
    with pytest.raises(InvalidFields, match="not registered"):
        await bench.do("UpdateProgram", UpdateProgramRequest(program=made))


async def test_what_is_registered_is_listed_with_what_it_promises(listing: Workbench) -> None:
    """Parts under names of their own; what cannot be used says why and costs nothing else."""
    said = await listing.do("ListMetrics", metric_pb2.ListMetricsRequest(), listing.viewer)
    metrics = {each.name: each for each in said.metrics}
    assert [each.built_in for each in said.metrics] == sorted((each.built_in for each in said.metrics), reverse=True)
    assert metrics.keys() >= {"exact_match", "token_f1", "cost", "latency_ms"}
    letters = metrics["letters"]
    assert (letters.low, letters.unit, letters.description) == (0.0, "letters", "How long.")
    assert letters.direction == metric_pb2.Metric.DIRECTION_MINIMIZE and not letters.HasField("high")
    assert letters.aggregation == metric_pb2.Metric.AGGREGATION_P95 and not letters.built_in
    assert "judge" not in metrics and metrics["judge.tone"].high == 1.0
    assert metrics["judge.length"].aggregation == metric_pb2.Metric.AGGREGATION_SUM
    assert "low must be less than high" in metrics["backwards"].error
    listed = await listing.do("ListCustomPrograms", metric_pb2.ListCustomProgramsRequest(), listing.viewer)
    programs = {each.entry_point: each for each in listed.custom_programs}
    assert not programs["learner@1"].error and programs["learner@1"].description.startswith("Answers with")
    assert programs["raises@1"].error and programs["leaves@1"].error and programs["Unversioned"].error
    assert str(ROOT) not in programs["raises@1"].error


async def test_who_gives_up_waiting_for_a_description_does_not_stop_it(listing: Workbench) -> None:
    """Or else slow imports would begin again with every caller, and never end."""
    describing: Describing = listing.engine.application.describing
    first = asyncio.create_task(describing.describe())
    await asyncio.sleep(0)
    going_on = describing._task
    await stopped([first])
    assert going_on is not None and not going_on.done()
    assert await describing.describe() is await going_on


async def executed(
    bench: Workbench, made: program_pb2.Program, configuration: Mapping[str, Any] | None = None, dataset_id: str = ""
) -> execution_pb2.Execution:
    """Executes a program on a text and returns the execution."""
    request = ExecuteProgramRequest(program_id=made.id, dataset_id=dataset_id)
    request.inputs.update({"text": "hello"})
    request.configuration.update(configuration or {})
    done: execution_pb2.Execution = await bench.do("ExecuteProgram", request)
    return done


async def test_a_custom_program_is_executed_with_any_parameters(bench: Workbench, coded: Workshop) -> None:
    """They are JSON of the code's own; the time is that of the call."""
    made = await create_custom(bench, "fickle@1")
    async with working(coded):
        done = await executed(bench, made, {"raise": ["other"], "depth": {"of": [1, 2.5, None]}})
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED
    assert done.outputs["answer"] == "hello" and done.latency_ms > 0 and done.cost_micros == 0
    assert done.error_class == execution_pb2.ERROR_CLASS_UNSPECIFIED


@pytest.mark.parametrize(
    ("entry_point", "configuration", "kind"),
    [
        ("fickle@1", {"raise": ["hello"]}, execution_pb2.ERROR_CLASS_EXCEPTION),
        ("fickle@1", {"astray": ["hello"]}, execution_pb2.ERROR_CLASS_BAD_OUTPUT),
        ("no-json@1", {}, execution_pb2.ERROR_CLASS_BAD_OUTPUT),
        ("crash@1", {}, execution_pb2.ERROR_CLASS_CRASH),
        ("leak@1", {}, execution_pb2.ERROR_CLASS_MEMORY_LIMIT),
        ("sleep@1", {}, execution_pb2.ERROR_CLASS_TIMEOUT),
        ("loop@1", {}, execution_pb2.ERROR_CLASS_TIMEOUT),
        ("raises@1", {}, execution_pb2.ERROR_CLASS_IMPORT),
        ("leaves@1", {}, execution_pb2.ERROR_CLASS_CRASH),
    ],
)
async def test_an_execution_that_fails_says_of_what_kind_and_the_worker_goes_on(
    bench: Workbench, coded: Workshop, entry_point: str, configuration: Mapping[str, Any], kind: int
) -> None:
    """In words without a path of the machine."""
    limit = 1_000 if kind == execution_pb2.ERROR_CLASS_TIMEOUT else 60_000
    made, sound = await create_custom(bench, entry_point, timeout_ms=limit), await create_custom(bench, "fickle@1")
    async with working(coded):
        failed = await executed(bench, made, configuration)
        done = await executed(bench, sound)
    assert (failed.status, failed.error_class) == (execution_pb2.WORK_STATUS_FAILED, kind)
    assert failed.error and str(ROOT) not in failed.error and not failed.HasField("outputs")
    assert done.status == execution_pb2.WORK_STATUS_COMPLETED


async def test_a_program_may_ask_for_less_or_more_and_the_operator_has_the_last_word(
    bench: Workbench, coded: Workshop
) -> None:
    """Processor time here: asked for little, it ends sooner than the call may last."""
    made = await create_custom(bench, "loop@1", timeout_ms=60_000)
    made.program_config.limits.cpu_seconds = 1
    made = await bench.do("UpdateProgram", UpdateProgramRequest(program=made))
    async with working(coded):
        assert (await executed(bench, made)).error_class == execution_pb2.ERROR_CLASS_CPU_LIMIT
    strict = replace(coded.bounds.usual, call_ms=300)
    async with working(replace(coded, bounds=replace(coded.bounds, most=strict))):
        assert (await executed(bench, made)).error_class == execution_pb2.ERROR_CLASS_TIMEOUT
