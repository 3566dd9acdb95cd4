"""Programs written down as files that are complete without Ashgrove: for DSPy, or as plain chat messages."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.program.v1 import document_pb2, program_pb2, tool_pb2
from ashgrove.program.v1 import program_requests_pb2 as rpc
from ashgrove.program.v1.signature_pb2 import SignatureConfig
from google.protobuf.json_format import MessageToDict

from domain.signatures.field import Field
from domain.signatures.json_schema import written
from domain.templates import INSTRUCTIONS, rendered
from domain.values import Json
from framework.engine import Call
from framework.errors import IllegalState
from framework.resource import action
from services.program.documents.piped import template_inputs, templated
from services.program.documents.slots import MAIN, demonstrations_of, say, slot_named
from services.program.lm.answers import answered
from services.program.lm.signature import inner_name, input_name
from services.program.resources.program import Program
from services.program.schemas.declared import fields_from
from services.program.tools.written import ITERATIONS

FORMAT = "ashgrove.program/1"
_Program = program_pb2.Program
_SETTINGS = ("model", "temperature", "top_p", "max_tokens")
_PYTHON = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "string_list": "list[str]",
    "array": "list",
    "object": "dict",
    "probability": "float",
    "confidence": "float",
    "embedding": "list[float]",
    "token_list": "list",
    "reasoning_chain": "list",
    "tensor": "list",
}


@action(Program, "ExportProgram")
async def export(call: Call, request: rpc.ExportProgramRequest) -> rpc.ExportProgramResponse:
    """Writes a program down."""
    found = await call.get(Program, request.id, revision=request.revision, verb="ExportProgram")
    content = {"program_id": found.id, "content_hash": found.content_hash, **document(found)}
    if found.type == _Program.TYPE_PIPELINE:
        content["steps"] = await _steps(call, found)
        content["results"] = _results(found)
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", found.name).strip("-") or "program"
    return rpc.ExportProgramResponse(
        content=json.dumps(content, ensure_ascii=False, indent=2),
        file_name=f"{name}.{found.revision}.json",
        revision=found.revision,
    )


def document(program: _Program) -> dict[str, Json]:
    """Returns a program as it is written down; raises IllegalState for one that is code."""
    if program.type == _Program.TYPE_CUSTOM:
        told = "a custom program is code that the operator registered; there is nothing else to write down"
        raise IllegalState(told, action="ExportProgram", status="ACTIVE")
    signature = program.signature_config
    inputs, outputs = fields_from(signature.inputs), fields_from(signature.outputs)
    shown = demonstrations_of(slot_named(program, MAIN))
    settings = MessageToDict(program.program_config, preserving_proto_field_name=True)
    made: dict[str, Json] = {
        "format": FORMAT,
        "name": program.name,
        "revision": program.revision,
        "kind": _Program.Type.Name(program.type).removeprefix("TYPE_").lower(),
        "instructions": signature.instructions,
        "inputs": [_field(each, input_name(each.name)) for each in inputs],
        "outputs": [_field(each, inner_name(each.name)) for each in outputs],
        "inputs_schema": written(inputs).schema,
        "outputs_schema": written(outputs).schema,
        "demonstrations": [_shown(each) for each in shown],
        "settings": {name: settings[name] for name in _SETTINGS if name in settings},
    }
    if program.type == _Program.TYPE_TEMPLATE:
        made["messages"] = _messages(program.program_config.template, signature.instructions, shown, outputs)
    if program.type == _Program.TYPE_REACT:
        its = program.program_config.react
        made["tools"] = [_tool(each) for each in its.tools]
        made["iterations"] = its.max_iterations or ITERATIONS
    return made


def _tool(tool: tool_pb2.Tool) -> dict[str, Json]:
    """Returns what a model is told of a tool; what it does is asked under the platform's rules, and stays there."""
    arguments = written(fields_from(tool.arguments)).schema.get("properties", {})
    return {"name": tool.name, "description": tool.description, "arguments": arguments}


def _field(field: Field, inner: str) -> dict[str, Json]:
    """Returns a field by the name that DSPy takes: one that it keeps for itself stands in capitals."""
    other = {"field": field.name} if inner != field.name else {}
    choices = {"choices": list(field.choices)} if field.choices else {}
    return {
        "name": inner,
        "python": _PYTHON.get(field.kind, "str"),
        "description": field.description,
        "optional": field.may_be_left_out,
        **choices,
        **other,
    }


def _shown(example: Mapping[str, Any]) -> dict[str, Json]:
    return {
        "inputs": {input_name(name): value for name, value in example["inputs"].items()},
        "outputs": {inner_name(name): value for name, value in example["outputs"].items()},
    }


def _messages(
    template: document_pb2.Template, instructions: str, shown: Sequence[Mapping[str, Any]], outputs: tuple[Field, ...]
) -> list[dict[str, str]]:
    """Returns the messages, instructions in their place, what is shown before the last; only inputs keep places."""
    said = [
        (document_pb2.TemplateMessage.Role.Name(each.role).removeprefix("ROLE_").lower(), each.content)
        for each in template.messages
    ]
    turns = [{"role": role, "content": _instructed(content, instructions)} for role, content in said]
    *before, last = turns
    for each in shown:
        asked = rendered(said[-1][1], {**each["inputs"], INSTRUCTIONS: instructions})
        before.append({"role": "user", "content": _plain(asked)})
        before.append({"role": "assistant", "content": _plain(answered(each["outputs"], outputs))})
    return [*before, last]


def _instructed(content: str, instructions: str) -> str:
    return re.sub(r"(?<!\\)\{\{\s*instructions\s*\}\}", lambda _: _plain(instructions), content)


def _plain(text: str) -> str:
    """Returns a text so that a template says just that."""
    return text.replace("{{", "\\{{")


def _results(program: _Program) -> list[Json]:
    bound = program.program_config.pipeline.outputs
    return [MessageToDict(each, preserving_proto_field_name=True) for each in bound]


async def _steps(call: Call, program: _Program) -> list[Json]:
    """Returns a pipeline's steps, each program as it is written down itself."""
    found: list[Json] = []
    for step in program.program_config.pipeline.steps:
        plain = MessageToDict(step, preserving_proto_field_name=True)
        if step.HasField("tool"):
            told = f"step {step.name} is code that the operator registered; it cannot be written down"
            raise IllegalState(told, action="ExportProgram", status="ACTIVE")
        if inner := await _inner(call, program, step):
            say(inner, slot_named(program, step.name))
            plain.pop("template", None)
            plain["program"] = document(inner)
            if inner.type == _Program.TYPE_PIPELINE:
                plain["program"]["steps"] = await _steps(call, inner)
                plain["program"]["results"] = _results(inner)
        found.append(plain)
    return found


async def _inner(call: Call, program: _Program, step: document_pb2.PipelineStep) -> _Program | None:
    """Returns a step's program; a template is one that asks the pipeline's model."""
    if step.HasField("program"):
        return await call.get(Program, step.program.program_id, revision=step.program.revision)
    if step.HasField("template"):
        inputs = template_inputs(program)[step.name]
        return templated(program, step, SignatureConfig(inputs=inputs, outputs=step.template.outputs))
    return None
