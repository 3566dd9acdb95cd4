"""Tools as they are written: what they refer to, pinned, and what is wrong with them."""

from collections.abc import Callable, Iterator
from typing import Any

from ashgrove.program.v1 import program_pb2, tool_pb2

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.resource import Resource
from services.program import shapes

PATH = "program.program_config.react.tools"
FINISH = "finish"
"""What a model says that has what it needs."""
ITERATIONS = 10
"""How many thoughts there may be unless the program says otherwise."""


async def tool_faults(
    call: Call, programs: type[Resource[program_pb2.Program]], new: program_pb2.Program, old: program_pb2.Program | None
) -> list[FieldViolation]:
    """Pins what the tools refer to, as the caller may read it, and returns what is wrong with them.

    What stood there before stays, whatever has become of it.
    """
    before = {each.name: each for each in old.program_config.react.tools} if old else {}
    faults: list[FieldViolation] = list(_name_faults(new))
    for index, tool in enumerate(new.program_config.react.tools):
        path, known = f"{PATH}[{index}]", before.get(tool.name)
        if tool.HasField("program"):
            faults += await _pinned(call, programs, tool, known, path)
        else:
            faults += shapes.declared_faults(shapes.at(f"{path}.arguments", tool.arguments))
        if tool.HasField("http") and call.application is not None and (known is None or known.http != tool.http):
            faults += _outside_faults(call, tool.http, f"{path}.http")
    return faults


def _name_faults(program: program_pb2.Program) -> Iterator[FieldViolation]:
    seen: set[str] = set()
    for index, tool in enumerate(program.program_config.react.tools):
        if tool.name == FINISH:
            yield FieldViolation(f"{PATH}[{index}].name", "is what a model says that is done; choose another")
        if tool.name in seen:
            yield FieldViolation(f"{PATH}[{index}].name", "is there twice")
        seen.add(tool.name)


def _outside_faults(call: Call, http: tool_pb2.HttpTool, path: str) -> Iterator[FieldViolation]:
    egress, secrets = call.application.egress, call.application.secrets
    tries: list[Callable[[], Any]] = [lambda: egress.check(http.url, f"{path}.url")]
    if http.secret:
        tries.append(lambda: secrets.resolve(call.context.organization_id, http.secret, f"{path}.secret"))
    for attempt in tries:
        try:
            attempt()
        except InvalidFields as refused:
            yield from refused.violations


async def _pinned(
    call: Call,
    programs: type[Resource[program_pb2.Program]],
    tool: tool_pb2.Tool,
    known: tool_pb2.Tool | None,
    path: str,
) -> list[FieldViolation]:
    step = tool.program
    if known is not None and (known.program.program_id, known.program.revision) == (step.program_id, step.revision):
        step.CopyFrom(known.program)
    else:
        try:
            found = await call.get(programs, step.program_id, revision=step.revision)
        except NotFound:
            told = "there is no such program, or revision of it, that you can read"
            return [FieldViolation(f"{path}.program.program_id", told)]
        step.revision, step.type = found.revision, program_pb2.Program.Type.Name(found.type)
        step.signature_config.CopyFrom(found.signature_config)
    if tool.arguments and list(tool.arguments) != list(step.signature_config.inputs):
        return [FieldViolation(f"{path}.arguments", "are the program's inputs: leave them out")]
    del tool.arguments[:]
    tool.arguments.extend(step.signature_config.inputs)
    return []
