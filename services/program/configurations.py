"""Configurations: the values of a program's parameters and tuned inputs, judged where a caller hands them in."""

from collections.abc import Mapping

from ashgrove.program.v1 import document_pb2, program_pb2, signature_pb2
from google.protobuf.json_format import MessageToDict

from domain.signatures.field import Constraints, Field
from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation, InvalidFields
from services.program import shapes
from services.program.documents.retrieving import BUILT_IN, MOST_K
from services.program.documents.slots import MAIN, demonstrations_of, slot_named
from services.program.documents.templated import has_place_for_instructions
from services.program.lm.parameters import Refused, parameters
from services.program.schemas.checking import Checker


def refuse_faults(program: program_pb2.Program, configuration: Mapping[str, Json]) -> dict[str, Json]:
    """Returns a configuration normalised; raises InvalidFields naming every value that the program cannot run with.

    What the parameters of a custom program may be is its code's to say.
    """
    if not configuration:
        return {}
    try:
        plain: dict[str, Json] = normalise(dict(configuration), "configuration")
        if program.type == program_pb2.Program.TYPE_PIPELINE:
            refuse_pipeline_faults(program, plain)
        elif program.type != program_pb2.Program.TYPE_CUSTOM:
            inputs, others = tuned(program.signature_config, plain)
            fields = [field for field in program.signature_config.inputs if field.name in inputs]
            if faults := list(shapes.value_faults(fields, inputs, "configuration")):
                raise InvalidFields(*faults)
            parameters({}, others)
            _refuse_placeless(program, others)
            _refuse_shown(program, others)
    except Invalid as invalid:
        raise InvalidFields(*(FieldViolation(v.path, v.message) for v in invalid.violations)) from None
    except Refused as refused:
        raise InvalidFields(*(FieldViolation(path, message) for path, message in refused.violations)) from None
    return plain


def settings_of(program: program_pb2.Program) -> dict[str, Json]:
    """Returns a program's own settings in the words of a configuration, with what its main slot shows."""
    plain: dict[str, Json] = MessageToDict(program.program_config, preserving_proto_field_name=True)
    if shown := demonstrations_of(slot_named(program, MAIN)):
        plain["demonstrations"] = shown
    return plain


def tuned(
    signature: signature_pb2.SignatureConfig, configuration: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Returns what a configuration says of inputs marked variable, and what of anything else."""
    names = {field.name for field in signature.inputs if field.variable}
    inputs = {name: value for name, value in configuration.items() if name in names}
    return inputs, {name: value for name, value in configuration.items() if name not in names}


def _refuse_placeless(program: program_pb2.Program, others: Mapping[str, Json]) -> None:
    """Raises InvalidFields for instructions or rules that a template has no place for."""
    template = program.program_config.template
    if program.type == program_pb2.Program.TYPE_TEMPLATE and not has_place_for_instructions(template):
        told = "has no place in the template: write {{instructions}} where it goes"
        if faults := [FieldViolation(f"configuration.{each}", told) for each in _SAYING if others.get(each)]:
            raise InvalidFields(*faults)


def _refuse_shown(program: program_pb2.Program, others: Mapping[str, Json]) -> None:
    """Raises InvalidFields for demonstrations of a program with tools, which has no place for them."""
    if program.type == program_pb2.Program.TYPE_REACT:
        told = "is for programs that ask a model once"
        if faults := [FieldViolation(f"configuration.{each}", told) for each in others if each in _SHOWING]:
            raise InvalidFields(*faults)


def refuse_pipeline_faults(program: program_pb2.Program, configuration: Mapping[str, Json]) -> None:
    """Raises InvalidFields unless a configuration is made of tuned inputs and, by step, what that step may be told."""
    inputs, others = tuned(program.signature_config, configuration)
    fields = [field for field in program.signature_config.inputs if field.name in inputs]
    faults = list(shapes.value_faults(fields, inputs, "configuration"))
    steps = {each.name: each for each in program.program_config.pipeline.steps}
    for name, said in others.items():
        path = f"configuration.{name}"
        if name not in steps:
            faults.append(FieldViolation(path, f"is no step and no tuned input; there are {', '.join(steps)}"))
        elif not isinstance(said, dict):
            faults.append(FieldViolation(path, "must be an object: what the step is told"))
        else:
            faults += _step_faults(steps[name], said, path)
    if faults:
        raise InvalidFields(*faults)


def _step_faults(step: document_pb2.PipelineStep, said: Mapping[str, Json], path: str) -> list[FieldViolation]:
    kind = step.program.type if step.HasField("program") else step.WhichOneof("kind")
    if kind in ("tool", "TYPE_CUSTOM", "TYPE_PIPELINE"):
        most = _JUDGED_LATER
    elif kind == "retriever":
        most = _LOOKING
        if step.retriever.retriever not in ("", *BUILT_IN):  # code has parameters of its own
            said = {name: value for name, value in said.items() if name in ("k", "timeout_ms")}
    else:
        try:
            parameters({}, said)
        except Refused as refused:
            told = [(place.replace("configuration", path, 1), message) for place, message in refused.violations]
            return [FieldViolation(place, message) for place, message in told]
        return []
    checked = most.check({k: v for k, v in said.items() if most is _LOOKING or k == "timeout_ms"}, path)
    return [FieldViolation(each.path, each.message) for each in checked.violations]


_SHOWING = ("demonstrations", "demonstration_count", "demonstration_selection", "demonstration_order", "rule_count")
_SAYING = ("instructions", "rule_count")
_TIMEOUT = Field("timeout_ms", "integer", optional=True, constraints=Constraints(minimum=1, maximum=600_000))
_JUDGED_LATER = Checker([_TIMEOUT])
"""What the platform knows of code and of pipelines: the rest is theirs to say."""
_LOOKING = Checker([_TIMEOUT, Field("k", "integer", optional=True, constraints=Constraints(minimum=1, maximum=MOST_K))])
