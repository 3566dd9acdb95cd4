"""What is wrong with a program's document, all of it at once, once what it refers to is pinned."""

from ashgrove.program.v1 import program_pb2

from framework.engine import Call
from framework.errors import FieldViolation
from framework.resource import Resource
from services.program.documents import piped
from services.program.documents.slots import slot_faults
from services.program.documents.templated import program_template_faults
from services.program.tools.written import tool_faults

Program = program_pb2.Program


async def document_faults(
    call: Call,
    programs: type[Resource[Program]],
    new: Program,
    old: Program | None,
) -> list[FieldViolation]:
    """Pins what the document refers to and returns what is wrong with it."""
    if new.type == Program.TYPE_TEMPLATE:
        return [*program_template_faults(new), *slot_faults(new, {})]
    if new.type == Program.TYPE_REACT:
        return [*await tool_faults(call, programs, new, old), *slot_faults(new, {})]
    if new.type != Program.TYPE_PIPELINE:
        return list(slot_faults(new, {}))
    before = old.program_config.pipeline if old else program_pb2.ProgramConfig().pipeline
    faults = await piped.pinned_faults(call, programs, new.program_config.pipeline, before)
    if faults:
        return faults
    faults = list(piped.pipeline_faults(new))
    return faults or list(slot_faults(new, piped.template_inputs(new)))
