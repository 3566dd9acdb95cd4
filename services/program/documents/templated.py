"""What is wrong with the templates of a program."""

from collections.abc import Collection, Iterator

from ashgrove.program.v1 import document_pb2
from ashgrove.program.v1.program_pb2 import Program

from domain.templates import INSTRUCTIONS, faults, placeholders
from framework.errors import FieldViolation

_ROLE = document_pb2.TemplateMessage


def has_place_for_instructions(template: document_pb2.Template) -> bool:
    """Tells whether a template says where instructions go."""
    return any(INSTRUCTIONS in placeholders(each.content) for each in template.messages)


def template_faults(
    template: document_pb2.Template, inputs: Collection[str], instructions: str, path: str
) -> Iterator[FieldViolation]:
    """Yields what is wrong with a template for these inputs: its roles, its places, instructions without a place."""
    if INSTRUCTIONS in inputs:
        yield FieldViolation(path, f"cannot have an input called {INSTRUCTIONS}: that is where instructions go")
    for index, said in enumerate(template.messages):
        place = f"{path}.messages[{index}]"
        if said.role == _ROLE.ROLE_SYSTEM and index:
            yield FieldViolation(f"{place}.role", "only the first message may be the system's")
        known = [*inputs, INSTRUCTIONS]
        yield from (FieldViolation(v.path, v.message) for v in faults(said.content, known, f"{place}.content"))
    if template.messages and template.messages[-1].role != _ROLE.ROLE_USER:
        yield FieldViolation(f"{path}.messages[{len(template.messages) - 1}].role", "the last message is the user's")
    if instructions and not has_place_for_instructions(template):
        message = "have no place in the template: write {{instructions}} where they go"
        yield FieldViolation(f"{path.rpartition('.')[0]}.instructions", message)


def program_template_faults(program: Program) -> Iterator[FieldViolation]:
    """Yields what is wrong with the template that a program is made of."""
    inputs = [each.name for each in program.signature_config.inputs]
    path = "program.program_config.template"
    for fault in template_faults(program.program_config.template, inputs, program.signature_config.instructions, path):
        where = fault.path.replace("program_config.instructions", "signature_config.instructions")
        yield FieldViolation(where, fault.message)
