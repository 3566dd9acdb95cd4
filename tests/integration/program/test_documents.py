"""Programs made of templates and pipelines: judged when they are written, pinned, and run."""

import json
from typing import Any

import pytest
from ashgrove.program.v1 import document_pb2, execution_pb2, program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import CreateProgramRequest, ExportProgramRequest, UpdateProgramRequest
from ashgrove.program.v1.signature_pb2 import SignatureConfig
from ashgrove.programs import field
from google.protobuf.json_format import ParseDict

from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from services.program.working import Workshop
from tests.integration.program.making import WORDS, create_dataset, create_program, evaluated, evaluation, working

LANGUAGES = [language for _, language in WORDS]
TEMPLATE = [
    {"role": "ROLE_SYSTEM", "content": "You know languages. {{instructions}}"},
    {"role": "ROLE_USER", "content": "{{text}}"},
]


def document(kind: str, signature: SignatureConfig, **config: Any) -> program_pb2.Program:
    """A program of a kind."""
    made = program_pb2.Program(name=f"{kind} {new_id()}", type=program_pb2.Program.Type.Value(f"TYPE_{kind}"))
    made.signature_config.CopyFrom(signature)
    ParseDict(config, made.program_config)
    return made


def language(**config: Any) -> program_pb2.Program:
    """A template that tells the language of a text, with an example of each at hand."""
    shown = [{"inputs": {"text": word}, "outputs": {"language": tongue}} for word, tongue in WORDS]
    signature = SignatureConfig(inputs=[field("text")], outputs=[field("language", choices=LANGUAGES)])
    config = {"template": {"messages": TEMPLATE}, "slots": [{"name": "main", "demonstrations": shown}]} | config
    return document("TEMPLATE", signature, **config)


async def create(bench: Workbench, wanted: program_pb2.Program) -> program_pb2.Program:
    """Creates a program as the user."""
    made: program_pb2.Program = await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    return made


async def refused(bench: Workbench, wanted: program_pb2.Program) -> dict[str, str]:
    """Returns what is wrong with a program, by path below its settings."""
    with pytest.raises(InvalidFields) as failure:
        await bench.do("CreateProgram", CreateProgramRequest(program=wanted))
    return {v.path.removeprefix("program.program_config."): v.message for v in failure.value.violations}


async def executed(
    bench: Workbench, program: program_pb2.Program, inputs: dict[str, Any], **configuration: Any
) -> execution_pb2.Execution:
    """Executes a program as the user."""
    request = ExecuteProgramRequest(program_id=program.id)
    request.inputs.update(inputs)
    request.configuration.update(configuration)
    done: execution_pb2.Execution = await bench.do("ExecuteProgram", request)
    return done


async def test_a_template_runs_with_its_demonstrations_and_is_evaluated(bench: Workbench, workshop: Workshop) -> None:
    """Through the same path as every other program."""
    made, dataset = await create(bench, language()), await create_dataset(bench, validation=4)
    async with working(workshop):
        done = await executed(bench, made, {"text": "2 och 2"})
        _, whole = await evaluated(bench, evaluation(made, dataset, configuration={}))
    assert done.outputs["language"] == "sv" and done.cost_micros > 0, done.error
    assert whole.status == execution_pb2.WORK_STATUS_COMPLETED and whole.scores["exact_match"] > 0.5, whole.error


async def test_what_a_document_says_wrong_is_refused_at_its_place(bench: Workbench) -> None:
    """Places without an input, demonstrations that miss the signature, slots that are none."""
    messages = [*TEMPLATE, {"role": "ROLE_ASSISTANT", "content": "{{tone}}"}]
    slots = [
        {"name": "main", "instructions": "x", "demonstrations": [{"inputs": {"txt": "a"}, "outputs": {}}]},
        {"name": "other"},
    ]
    assert (await refused(bench, language(template={"messages": messages}, slots=slots))).keys() == {
        "template.messages[2].content",
        "template.messages[2].role",
        "slots[0].instructions",
        "slots[0].demonstrations[0].inputs.txt",
        "slots[0].demonstrations[0].inputs.text",
        "slots[0].demonstrations[0].outputs.language",
        "slots[1].name",
    }
    assert (await refused(bench, document("TEMPLATE", language().signature_config))).keys() == {"template"}
    wanted = language(template={"messages": [{"role": "ROLE_USER", "content": "{{text}}"}]})
    wanted.signature_config.instructions = "Say it."
    assert (await refused(bench, wanted)).keys() == {"program.signature_config.instructions"}


async def test_reasoning_may_be_shown_in_a_chain_of_thought_and_need_not(bench: Workbench) -> None:
    """It is derived from the kind: nobody has to declare it, and elsewhere it is unknown."""
    shown = [
        {"inputs": {"text": "a"}, "outputs": {"language": "sv", "reasoning": "an och"}},
        {"inputs": {"text": "b"}, "outputs": {"language": "de"}},
    ]
    slots = [{"name": "main", "demonstrations": shown}]
    signature = language().signature_config
    assert (await create(bench, document("CHAIN_OF_THOUGHT", signature, slots=slots))).revision == 1
    told = await refused(bench, document("PREDICT", signature, slots=slots))
    assert told.keys() == {"slots[0].demonstrations[0].outputs.reasoning"}


def given(name: str) -> dict[str, str]:
    """A binding of a field to the pipeline's text."""
    return {"field": name, "from": "inputs.text"}


def piped(program_id: str, dataset_id: str, **step: Any) -> program_pb2.Program:
    """A pipeline: look up alike texts, ask a program and a template, tell both answers and what was found."""
    signature = SignatureConfig(
        inputs=[field("text")],
        outputs=[field("language"), field("again"), field("found", "string_list")],
    )
    look = {"messages": [{"role": "ROLE_USER", "content": "{{passages}} {{word}} {{text}}"}]}
    steps = [
        {
            "name": "asked",
            "template": {"template": look, "outputs": [{"name": "answer"}]},
            "inputs": [
                {"field": "passages", "from": "find.passages"},
                {"field": "word", "value": "x"},
                given("text"),
            ],
        },
        {
            "name": "find",
            "retriever": {"dataset_id": dataset_id},
            "inputs": [{"field": "query", "from": "inputs.text"}],
        },
        {"name": "tell", "program": {"program_id": program_id}, "inputs": [{"field": "text", "from": "inputs.text"}]},
    ]
    steps[2] |= step
    outputs = [
        {"field": "language", "from": "tell.language"},
        {"field": "again", "from": "asked.answer"},
        {"field": "found", "from": "find.passages"},
    ]
    return document("PIPELINE", signature, pipeline={"steps": steps, "outputs": outputs})


async def test_a_pipeline_runs_its_steps_and_configurations_tune_them(bench: Workbench, workshop: Workshop) -> None:
    """How many are looked up and how long a step may take are a configuration's to say, too."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    made = await create(bench, piped(inner.id, dataset.id))
    pinned = made.program_config.pipeline.steps[2].program
    assert (pinned.revision, pinned.type) == (1, "TYPE_TEMPLATE") and pinned.signature_config.outputs[0].choices
    async with working(workshop):
        done = await executed(bench, made, {"text": "2 och 2"}, find={"k": 3})
    assert done.outputs["language"] == "sv" and len(done.outputs["found"]) == 3, done.error
    assert "och" in done.outputs["found"][0] and done.outputs["again"]
    assert done.input_tokens > 0


async def test_a_step_stays_at_the_revision_that_it_was_written_with(bench: Workbench, workshop: Workshop) -> None:
    """What its program becomes later does not reach it; a circle of pipelines cannot be written therefore."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    made = await create(bench, piped(inner.id, dataset.id))
    inner.program_config.slots[0].demonstrations[0].outputs.update({"language": "de"})
    await bench.do("UpdateProgram", UpdateProgramRequest(program=inner))
    made.description = "changed"
    kept = await bench.do("UpdateProgram", UpdateProgramRequest(program=made))
    assert kept.program_config.pipeline.steps[2].program.revision == 1
    async with working(workshop):
        assert (await executed(bench, kept, {"text": "och"})).outputs["language"] == "sv"


async def test_a_slot_of_a_step_says_more_than_its_program_and_a_failing_step_is_named(
    bench: Workbench, coded: Workshop
) -> None:
    """Registered code is a step like any other; what is paid for is paid for."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    wanted = piped(inner.id, dataset.id)
    shown = {"inputs": {"text": "och"}, "outputs": {"language": "fr"}}
    ParseDict({"slots": [{"name": "tell", "demonstrations": [shown]}]}, wanted.program_config)
    made = await create(bench, wanted)
    tool = {"tool": {"entry_point": "fail@1", "outputs": [{"name": "language"}]}}
    broken = piped(inner.id, dataset.id)
    step = broken.program_config.pipeline.steps[2]
    step.ClearField("program")
    ParseDict(tool, step)
    failing = await create(bench, broken)
    step.tool.entry_point, broken.name = "sleep@1", "sleeps"
    sleeping = await create(bench, broken)
    async with working(coded):
        assert (await executed(bench, made, {"text": "och"})).outputs["language"] == "fr"
        done = await executed(bench, failing, {"text": "och"})
        late = await executed(bench, sleeping, {"text": "60"}, tell={"timeout_ms": 400})
    assert late.error == "step tell: did not end within 400 ms"
    assert late.error_class == execution_pb2.ERROR_CLASS_TIMEOUT and late.input_tokens > 0
    assert done.status == execution_pb2.WORK_STATUS_FAILED and done.error.startswith("step tell: "), done.error
    assert done.error_class == execution_pb2.ERROR_CLASS_TOOL


async def test_a_pipeline_names_what_its_author_can_read_and_what_fits(bench: Workbench) -> None:
    """Hidden and missing alike; a configuration names steps, and what they may be told."""
    dataset, stranger = await create_dataset(bench), bench.colleague
    hidden = await create_program(bench, stranger, name="hidden")
    told = await refused(bench, piped(hidden.id, str(new_id())))
    assert told.keys() == {
        "pipeline.steps[1].retriever.dataset_id",
        "pipeline.steps[2].program.program_id",
    }
    inner = await create(bench, language())
    step = {"inputs": [{"field": "text", "from": "find.examples"}]}
    told = await refused(bench, piped(inner.id, dataset.id, **step))
    assert told == {"pipeline.steps[2].inputs[0].from": "find.examples is a list; needed is text"}
    made = await create(bench, piped(inner.id, dataset.id))
    with pytest.raises(InvalidFields) as failure:
        await executed(bench, made, {"text": "a"}, find={"k": 0}, nothing={}, tell={"heat": 1}, asked=3)
    assert {v.path for v in failure.value.violations} == {
        "configuration.find.k",
        "configuration.nothing",
        "configuration.tell.heat",
        "configuration.asked",
    }


async def test_values_that_are_bound_as_they_stand_fit_what_they_are_bound_to(bench: Workbench) -> None:
    """Inputs of programs, results of the whole; what a template is given has one type."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    wanted = piped(inner.id, dataset.id, inputs=[{"field": "text", "value": 5}])
    pipeline = wanted.program_config.pipeline
    ParseDict({"field": "found", "value": ["a", 1]}, pipeline.outputs[2])
    ParseDict({"field": "word", "value": [1, "a"]}, pipeline.steps[0].inputs[1])
    mixed = "is text, and a whole number further up in the list: no type takes both"
    assert await refused(bench, wanted) == {
        "pipeline.steps[0].inputs[1].value[1]": mixed,
        "pipeline.steps[2].inputs[0].value": "must be text",
        "pipeline.outputs[2].value[1]": "must be text",
    }


async def test_a_pipelines_file_holds_what_it_says_at_the_slots_of_its_steps(bench: Workbench) -> None:
    """Each step with a prompt is written down as a program, as the pipeline runs it."""
    dataset, inner = await create_dataset(bench), await create(bench, language())
    wanted = piped(inner.id, dataset.id)
    shown = [{"inputs": {"text": "och"}, "outputs": {"language": "fr"}}]
    asked = {"inputs": {"passages": [], "word": "w", "text": "t"}, "outputs": {"answer": "a"}}
    slots = [{"name": "tell", "demonstrations": shown}, {"name": "asked", "demonstrations": [asked]}]
    ParseDict({"temperature": 0.5, "slots": slots}, wanted.program_config)
    made = await create(bench, wanted)
    content = json.loads((await bench.do("ExportProgram", ExportProgramRequest(id=made.id))).content)
    steps = {each["name"]: each for each in content["steps"]}
    assert steps["tell"]["program"]["demonstrations"] == shown
    template = steps["asked"]["program"]
    assert (template["kind"], template["settings"]) == ("template", {"temperature": 0.5})
    assert [each["content"] for each in template["messages"]] == ["[] w t", "a", "{{passages}} {{word}} {{text}}"]
    assert steps["find"]["retriever"]["dataset_id"] == dataset.id
    assert [each["field"] for each in content["results"]] == ["language", "again", "found"]


def test_every_kind_of_step_is_in_the_proto() -> None:
    """What the judge and the assembly know is what can be written."""
    kinds = [each.name for each in document_pb2.PipelineStep.DESCRIPTOR.oneofs_by_name["kind"].fields]
    assert kinds == ["program", "retriever", "template", "tool"]
