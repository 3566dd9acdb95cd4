"""Pipelines as they are written: what their steps refer to, pinned, and what is wrong with them."""

from collections.abc import Iterable, Iterator, Sequence

from ashgrove.program.v1 import document_pb2, program_pb2
from ashgrove.program.v1.signature_pb2 import SignatureConfig, SignatureField
from google.protobuf.json_format import MessageToDict

from domain.pipelines import Bound, Pipeline, Step
from domain.signatures.field import Field
from domain.signatures.inference import field_of_value
from domain.values import Invalid
from framework.engine import Call
from framework.errors import FieldViolation, NotFound
from framework.resource import Resource
from services.program import shapes
from services.program.documents.templated import template_faults
from services.program.schemas.declared import fields_from, message_of

PATH = "program.program_config.pipeline"
RETRIEVED = (Field("passages", "string_list"), Field("examples", "array", items=Field("", "object")))
"""What a retriever gives."""

_QUERY = (Field("query"),)


async def pinned_faults(
    call: Call,
    programs: type[Resource[program_pb2.Program]],
    pipeline: document_pb2.Pipeline,
    old: document_pb2.Pipeline,
) -> list[FieldViolation]:
    """Pins what the steps refer to, as the caller may read it, and returns what is wrong with that.

    What the pipeline referred to before stays, whatever has become of it.
    """
    known = {each.name: each for each in old.steps}
    faults: list[FieldViolation] = []
    for index, step in enumerate(pipeline.steps):
        path, before = f"{PATH}.steps[{index}]", known.get(step.name)
        try:
            if step.HasField("program"):
                await _pin_program(call, programs, step.program, before)
            elif step.HasField("retriever"):
                await _pin_dataset(call, step.retriever, before)
        except NotFound:
            noun = "program" if step.HasField("program") else "dataset"
            told = f"there is no such {noun}, or revision of it, that you can read"
            faults.append(FieldViolation(f"{path}.{step.WhichOneof('kind')}.{noun}_id", told))
    return faults


async def _pin_program(
    call: Call,
    programs: type[Resource[program_pb2.Program]],
    step: document_pb2.ProgramStep,
    before: document_pb2.PipelineStep | None,
) -> None:
    if before is not None and (before.program.program_id, before.program.revision) == (step.program_id, step.revision):
        step.CopyFrom(before.program)
        return
    found = await call.get(programs, step.program_id, revision=step.revision)
    step.revision, step.type = found.revision, program_pb2.Program.Type.Name(found.type)
    step.signature_config.CopyFrom(found.signature_config)


async def _pin_dataset(call: Call, step: document_pb2.RetrieverStep, before: document_pb2.PipelineStep | None) -> None:
    from services.program.resources.dataset import Dataset  # it declares shapes that programs are judged by, too

    if before is not None and before.retriever.dataset_id == step.dataset_id:
        kept = before.retriever.dataset_revision
        step.dataset_revision = step.dataset_revision or kept
        if step.dataset_revision == kept:
            return
    found = await call.get(Dataset, step.dataset_id)
    if step.dataset_revision > found.revision:
        raise NotFound("dataset revision", str(step.dataset_revision))
    step.dataset_revision = step.dataset_revision or found.revision


def pipeline_of(program: program_pb2.Program) -> Pipeline:
    """Returns the domain's pipeline of a program whose references are pinned."""
    its, signature = program.program_config.pipeline, program.signature_config
    return Pipeline(
        tuple(map(_step, its.steps)),
        fields_from(signature.inputs),
        fields_from(signature.outputs),
        tuple(map(_bound, its.outputs)),
    )


def pipeline_faults(program: program_pb2.Program) -> Iterator[FieldViolation]:
    """Yields what is wrong with a pipeline whose references are pinned."""
    its = program.program_config.pipeline
    for index, step in enumerate(its.steps):
        path = f"{PATH}.steps[{index}]"
        yield from _value_faults(step.inputs, _taken(step), f"{path}.inputs")
        if step.HasField("template"):
            names = [each.field for each in step.inputs]
            said = step.template
            yield from template_faults(said.template, names, said.instructions, f"{path}.template.template")
            yield from shapes.declared_faults(shapes.at(f"{path}.template.outputs", said.outputs))
        elif step.HasField("tool"):
            yield from shapes.declared_faults(shapes.at(f"{path}.tool.outputs", step.tool.outputs))
    yield from _value_faults(its.outputs, program.signature_config.outputs, f"{PATH}.outputs")
    yield from (FieldViolation(each.path, each.message) for each in pipeline_of(program).faults(PATH))


def _taken(step: document_pb2.PipelineStep) -> Sequence[SignatureField]:
    """Returns the fields that a step takes; none of a step that takes whatever is bound."""
    if step.HasField("program"):
        return step.program.signature_config.inputs
    return [message_of(each) for each in _QUERY] if step.HasField("retriever") else ()


def _value_faults(
    bindings: Iterable[document_pb2.Binding], fields: Iterable[SignatureField], path: str
) -> Iterator[FieldViolation]:
    """Yields what is wrong with values that are bound as they stand."""
    there = {each.name: each for each in fields}
    for index, each in enumerate(bindings):
        if each.WhichOneof("source") != "value":
            continue
        place, value = f"{path}[{index}].value", MessageToDict(each.value)
        try:
            field_of_value(value, place)
        except Invalid as invalid:
            yield from (FieldViolation(v.path, v.message) for v in invalid.violations)
        if each.field in there:
            for fault in shapes.value_faults([there[each.field]], {each.field: value}, path):
                yield FieldViolation(fault.path.replace(f"{path}.{each.field}", place, 1), fault.message)


def template_inputs(program: program_pb2.Program) -> dict[str, list[SignatureField]]:
    """Returns what goes into each template step, with the types of its sources; text where there is no telling."""
    sources = pipeline_of(program).sources
    return {
        step.name: [_bound_field(each, sources) for each in step.inputs]
        for step in program.program_config.pipeline.steps
        if step.HasField("template")
    }


def templated(
    program: program_pb2.Program, step: document_pb2.PipelineStep, signature: SignatureConfig
) -> program_pb2.Program:
    """Returns a template step as a program: it asks the pipeline's model, as the pipeline does."""
    made = program_pb2.Program(name=f"{program.name}.{step.name}", type=program_pb2.Program.TYPE_TEMPLATE)
    made.signature_config.CopyFrom(signature)
    made.signature_config.instructions = step.template.instructions
    made.program_config.CopyFrom(program.program_config)
    for name in ("slots", "pipeline"):
        made.program_config.ClearField(name)
    made.program_config.template.CopyFrom(step.template.template)
    return made


def tool_signature(step: document_pb2.PipelineStep) -> SignatureConfig:
    """Returns what registered code gives as a step."""
    return SignatureConfig(outputs=step.tool.outputs)


def _bound_field(binding: document_pb2.Binding, sources: dict[str, dict[str, Field]]) -> SignatureField:
    if binding.WhichOneof("source") == "value":
        field = field_of_value(MessageToDict(binding.value), "value")
    else:
        step, _, name = getattr(binding, "from").partition(".")
        field = sources.get(step, {}).get(name, Field())
    made = message_of(field)
    made.name, made.variable, made.optional = binding.field, False, True
    made.ClearField("default_value")
    return made


def _step(step: document_pb2.PipelineStep) -> Step:
    bindings = tuple(map(_bound, step.inputs))
    if step.HasField("program"):
        signature = step.program.signature_config
        return Step(step.name, bindings, fields_from(signature.inputs), fields_from(signature.outputs))
    if step.HasField("retriever"):
        return Step(step.name, bindings, _QUERY, RETRIEVED)
    outputs = step.template.outputs if step.HasField("template") else step.tool.outputs
    return Step(step.name, bindings, None, fields_from(outputs))


def _bound(binding: document_pb2.Binding) -> Bound:
    return Bound(binding.field, str(getattr(binding, "from")))
