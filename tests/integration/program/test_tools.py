"""Programs with tools: asked over HTTP, other programs and registered code, through DSPy's ReAct; every loop ends."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ashgrove.program.v1 import execution_pb2, program_pb2, signature_pb2, tool_pb2
from ashgrove.program.v1.execution_requests_pb2 import (
    CancelExecutionRequest,
    ExecuteProgramRequest,
    ExecutionStep,
    GetExecutionStepsRequest,
    StreamExecutionRequest,
)
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest

from framework.egress.outlet import Outlet
from framework.errors import InvalidFields
from framework.testing.spans import recorded
from framework.testing.workbench import Workbench
from services.program.code import registry as code_registry
from services.program.code.pool import Workers
from services.program.lm.engine import ModelSettings
from services.program.running import Models
from services.program.tools.using import Outside
from services.program.working import Workshop
from tests.integration.program.conftest import PROGRAMS
from tests.integration.program.connecting import SECRET, connected, connector, create_connector
from tests.integration.program.making import create_program, working
from tests.models import ModelServer, Reply, Say, Stall, model_server

INTEGER = signature_pb2.SignatureField.TYPE_INTEGER


@pytest.fixture
async def weather() -> AsyncIterator[ModelServer]:
    """A server that a tool asks."""
    async with model_server(otherwise=Reply(200, '{"celsius": 12}')) as server:
        yield server


@pytest.fixture
async def equipped(
    bench: Workbench, workshop: Workshop, models: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Workshop]:
    """A workshop with a worker whose programs use tools; the connector `fast` is there."""
    monkeypatch.syspath_prepend(str(PROGRAMS))
    monkeypatch.setattr(code_registry, "_seen", {})
    workers = Workers(size=1)
    async with connected(bench, workshop, tmp_path) as made, Outlet() as own:
        assert made.desk is not None
        asks = Models(ModelSettings(), own, made.desk).prepare_with_tools
        outside = Outside(made.desk._others, made.desk._secrets)
        await create_connector(bench, connector(models))
        made = replace(made, prepare_with_tools=asks, outside=outside, workers=workers)
        async with working(made):
            yield made
    await workers.close()


def thought(tool: str, **arguments: Any) -> Say:
    """What a model says that wants to use a tool."""
    parts = {"next_thought": "I need it.", "next_tool_name": tool, "next_tool_args": json.dumps(arguments)}
    return Say("\n\n".join([f"[[ ## {k} ## ]]\n{v}" for k, v in parts.items()] + ["[[ ## completed ## ]]"]))


ANSWER = Say("[[ ## reasoning ## ]]\nso\n\n[[ ## answer ## ]]\nwarm\n\n[[ ## completed ## ]]")


def reacting(*tools: tool_pb2.Tool, **config: Any) -> program_pb2.Program:
    """A program with tools that answers a question."""
    made = program_pb2.Program(name="asks", type=program_pb2.Program.TYPE_REACT)
    made.signature_config.inputs.add(name="question")
    made.signature_config.outputs.add(name="answer")
    made.program_config.model = "fast"
    made.program_config.react.CopyFrom(tool_pb2.React(tools=tools, **config))
    return made


def asked_at(url: str, **fields: Any) -> tool_pb2.Tool:
    """A tool on the network that takes a city and days."""
    made = tool_pb2.Tool(name="weather", description="Tells the weather.", **fields)
    made.arguments.add(name="city", description="Which city.")
    made.arguments.add(name="days", type=INTEGER, optional=True)
    made.http.url = f"{url}/now"
    return made


async def run(bench: Workbench, program: program_pb2.Program) -> Any:
    """Creates a program and runs it on a question."""
    made = await bench.do("CreateProgram", CreateProgramRequest(program=program))
    request = ExecuteProgramRequest(program_id=made.id)
    request.inputs.update({"question": "Is it warm?"})
    return await bench.do("ExecuteProgram", request)


async def test_a_program_uses_a_tool_and_answers_with_what_it_found(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer
) -> None:
    """The model is told of the tool and its schema; the tool is asked with the organization's key; all is paid."""
    models.script = [thought("weather", city="Lund", days="2"), thought("finish"), ANSWER]
    tool = asked_at(weather.url)
    tool.http.secret = "secret://models/key"
    with recorded() as kept:
        done = await run(bench, reacting(tool))
    assert done.outputs["answer"] == "warm", done.error
    (asked,) = weather.requests
    assert (asked["city"], asked["days"], asked["_path"]) == ("Lund", 2, "/v1/now")
    assert asked["_headers"]["authorization"] == f"Bearer {SECRET}"
    first, second, last = [json.dumps(each["messages"]) for each in models.requests]
    assert "Tells the weather." in first and "Which city." in first and "celsius" not in first
    assert "celsius" in second and "celsius" in last and SECRET not in first + second + last
    assert done.input_tokens == 33 and done.cost_micros == 3 * (11 + 28)
    (used,) = [each for each in kept if each.name == "execute_tool weather"]
    assert used.attributes["gen_ai.tool.name"] == "weather" and "Lund" not in repr(used.attributes)


async def test_a_loop_without_end_is_a_bounded_failure_that_is_shown(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer
) -> None:
    models.otherwise = thought("weather", city="Lund")
    done = await run(bench, reacting(asked_at(weather.url), max_iterations=3))
    assert done.error_class == 18, "ERROR_CLASS_TOOL"
    assert "within 3 uses of tools: weather, weather, weather" in done.error and "celsius" in done.error
    assert len(models.requests) == len(weather.requests) == 3 and done.cost_micros == 3 * (11 + 28)


def asking(arguments: str) -> Say:
    """What a model says that wants to use a tool with these arguments, however it spells them."""
    parts = {"next_thought": "I need it.", "next_tool_name": "weather", "next_tool_args": arguments}
    return Say("\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in parts.items()))


@pytest.mark.parametrize("method", ["METHOD_POST", "METHOD_GET"])
async def test_arguments_are_sent_as_far_as_they_can_be(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer, method: str
) -> None:
    """Half of a surrogate pair, which JSON can spell, is no letter; what no URL has room for, a body has."""
    half, long = asking(json.dumps({"city": "\ud800"})), asking(json.dumps({"city": "x" * 70_000}))
    models.script = [half, long, thought("finish"), ANSWER]
    tool = asked_at(weather.url)
    tool.http.method = tool_pb2.HttpTool.Method.Value(method)
    done = await run(bench, reacting(tool))
    assert done.outputs["answer"] == "warm", done.error
    refused = "make a query of more than 2048 characters" in json.dumps(models.requests[2]["messages"])
    assert refused == (method == "METHOD_GET") and len(weather.requests) == 2 - refused
    assert "%EF%BF%BD" in weather.requests[0]["_path"] or weather.requests[0]["city"] == "\ufffd"


async def test_arguments_nested_beyond_reading_are_an_answer_that_cannot_be_read(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer
) -> None:
    models.otherwise = asking('{"city": ' + "[" * 5_000)
    done = await run(bench, reacting(asked_at(weather.url)))
    assert done.error_class == execution_pb2.ERROR_CLASS_PARSE and done.cost_micros == 11 + 28


@pytest.mark.parametrize(
    ("step", "arguments", "told"),
    [
        (Reply(500, body="at /srv/secret.py"), {"city": "Lund"}, "weather failed: it answers 500"),
        (Stall(), {"city": "Lund"}, "weather failed: it did not answer within 200 ms"),
        (Reply(200, "{}"), {"days": "many"}, "arguments.city"),
        (Reply(302, headers={"location": "http://169.254.169.254/"}), {"city": "Lund"}, "weather failed: it "),
    ],
)
async def test_a_tool_that_fails_is_told_to_the_model_in_words_without_a_trace_of_the_machine(
    bench: Workbench,
    equipped: Workshop,
    models: ModelServer,
    weather: ModelServer,
    step: Any,
    arguments: dict[str, Any],
    told: str,
) -> None:
    models.script, weather.script = [thought("weather", **arguments), thought("finish"), ANSWER], [step]
    patience = 200 if isinstance(step, Stall) else 30_000
    done = await run(bench, reacting(asked_at(weather.url, timeout_ms=patience)))
    assert done.outputs["answer"] == "warm", done.error
    seen = json.dumps(models.requests[1]["messages"])
    assert told in seen
    for canary in ("Traceback", ".py", "/srv", "169.254"):
        assert canary not in seen


async def test_other_programs_and_registered_code_are_tools(
    bench: Workbench, equipped: Workshop, models: ModelServer
) -> None:
    """A program at the revision that it had; code in a process of its own."""
    other = await create_program(bench, name="language of a text")
    language = tool_pb2.Tool(name="language", description="Tells a language.")
    language.program.program_id = other.id
    code = tool_pb2.Tool(name="echo", description="Says it again.")
    code.arguments.add(name="text")
    code.registered.entry_point = "echo@1"
    models.script = [thought("language", text="och"), thought("echo", text="hej-hopp"), thought("finish"), ANSWER]
    done = await run(bench, reacting(language, code))
    assert done.outputs["answer"] == "warm", done.error
    last = json.dumps(models.requests[-1]["messages"])
    assert "echo" in last and last.count("hej-hopp") > 1 and "language" in last


async def test_the_way_it_took_is_told_turn_by_turn_and_all_of_it_is_paid(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer
) -> None:
    """Thought, tool, arguments, observation and usage; what a tool asked by itself stands below its name."""
    other = await create_program(bench, name="language of a text")
    language = tool_pb2.Tool(name="language", description="Tells a language.")
    language.program.program_id = other.id
    turns = [thought("weather", days="many"), thought("language", text="och"), thought("finish")]
    models.script = [*turns, ANSWER]
    done = await run(bench, reacting(asked_at(weather.url), language))
    steps = (await bench.do("GetExecutionSteps", GetExecutionStepsRequest(id=done.id))).steps
    calls = [each for each in steps if each.kind == ExecutionStep.KIND_MODEL_CALL]
    failed, used, finish = [each for each in steps if each.kind == ExecutionStep.KIND_TOOL]
    assert [each.path for each in calls] == ["", "", "language", "", ""]
    assert failed.tool == "weather" and failed.inputs["days"] == "many" and "arguments.city" in failed.observation
    assert failed.error_class == 18 and failed.input_tokens == 11
    assert used.thought == "I need it." and "language" in used.observation and not used.error_class
    assert used.input_tokens == 11 + calls[2].input_tokens and used.cost_nanos == 39_000 + calls[2].cost_nanos
    assert finish.tool == "finish" and not finish.observation
    assert done.cost_micros * 1000 >= sum(each.cost_nanos for each in calls) > (done.cost_micros - 2) * 1000


async def test_turns_are_told_as_they_come(
    bench: Workbench, equipped: Workshop, models: ModelServer, weather: ModelServer
) -> None:
    """The first is there while the model still thinks about the second."""
    models.script = [thought("weather", city="Lund"), Stall()]
    made = await bench.do("CreateProgram", CreateProgramRequest(program=reacting(asked_at(weather.url))))
    request = ExecuteProgramRequest(program_id=made.id, detached=True, streamed=True)
    request.inputs.update({"question": "Is it warm?"})
    begun = await bench.do("ExecuteProgram", request)
    async for frame in bench.frames("StreamExecution", StreamExecutionRequest(id=begun.id)):
        if frame.item.step.kind == ExecutionStep.KIND_TOOL:
            break
    assert frame.item.step.tool == "weather" and "celsius" in frame.item.step.observation and not models.left
    await bench.do("CancelExecution", CancelExecutionRequest(id=begun.id))


async def test_what_is_wrong_with_tools_is_told_when_they_are_written(bench: Workbench, equipped: Workshop) -> None:
    """A name twice, addresses and secrets that may not be used, programs out of sight, code that nobody registered."""
    away = tool_pb2.Tool(name="away", description="x")
    away.program.program_id = "01939a00-0000-7000-8000-000000000000"
    twice = [asked_at("http://169.254.169.254"), asked_at("http://127.0.0.1:9"), away]
    twice[1].http.secret = "secret://others/key"
    with pytest.raises(InvalidFields) as refused:
        await bench.do("CreateProgram", CreateProgramRequest(program=reacting(*twice)))
    at = "program.program_config.react.tools"
    assert {each.path for each in refused.value.violations} == {
        f"{at}[0].http.url",
        f"{at}[1].name",
        f"{at}[1].http.secret",
        f"{at}[2].program.program_id",
    }
    code = tool_pb2.Tool(name="code", description="x")
    code.registered.entry_point = "os:system"
    finish = asked_at("http://127.0.0.1:9")
    finish.name = "finish"
    for tool, field in ((code, f"{at}[0].registered.entry_point"), (finish, f"{at}[0].name")):
        with pytest.raises(InvalidFields) as refused:
            await bench.do("CreateProgram", CreateProgramRequest(program=reacting(tool)))
        assert [each.path for each in refused.value.violations] == [field]
    plain = reacting()
    plain.program_config.ClearField("react")
    with pytest.raises(InvalidFields):
        await bench.do("CreateProgram", CreateProgramRequest(program=plain))
