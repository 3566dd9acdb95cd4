"""What is done with kept configurations: held side by side, put into programs, taken out again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest, UpdateProgramRequest
from ashgrove.variables.v1 import configuration_use_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_configuration_pb2 as pb
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value

from domain.comparing import ABSENT, Row, compared
from domain.prompt_values import UNCHANGED
from domain.values import Invalid, normalise
from framework.engine import Call
from framework.errors import InvalidFields, StaleEtag
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from framework.structs import values_of
from services.variables.applying import changed_mask, placed
from services.variables.places import Placed, slots_of
from services.variables.prompts import referred
from services.variables.spaces import refusal, space_of
from services.variables.variable_configurations import VariableConfiguration
from services.variables.variable_spaces import VariableSpace

_CONTENT = FieldMask(paths=["signature_config", "program_config"])


@action(VariableConfiguration, "CompareConfigurations")
async def compare(call: Call, request: rpc.CompareConfigurationsRequest) -> rpc.CompareConfigurationsResponse:
    """Holds configurations side by side."""
    kept = [
        await call.get(VariableConfiguration, each, verb="CompareConfigurations")
        for each in request.variable_configuration_ids
    ]
    rows = compared([normalise(values_of(each.values)) for each in kept])
    revisions = {(each.variable_space_id, each.variable_space_revision) for each in kept}
    return rpc.CompareConfigurationsResponse(
        rows=[_told(row) for row in rows if not (request.only_differences and row.is_equal)],
        equal=all(row.is_equal for row in rows),
        same_space_revision=len(revisions) == 1,
    )


@action(VariableConfiguration, "ApplyConfiguration")
async def apply(call: Call, request: rpc.ApplyConfigurationRequest) -> rpc.ApplyConfigurationResponse:
    """Puts a configuration into a program, as the caller."""
    kept = await call.get(VariableConfiguration, request.variable_configuration_id, verb="ApplyConfiguration")
    program = await _program(call, request.program_id)
    _expect(program, request.expected_program_revision)
    places = await _places(call, kept, program)
    wanted = program_pb2.Program()
    wanted.CopyFrom(program)
    changes = [(each, each.put(wanted)) for each in places]
    answer = rpc.ApplyConfigurationResponse(
        program_id=program.id, previous_program_revision=program.revision, program_revision=program.revision
    )
    answer.changes.extend(_change(each, before) for each, before in changes if before != each.value)
    if answer.changes:
        with _in_our_words(places, wanted):
            mask = changed_mask(places)
            answer.program_revision = await _write(call, wanted, mask, validate_only=request.validate_only)
    return answer


@action(VariableConfiguration, "UndoConfiguration")
async def undo(call: Call, request: rpc.UndoConfigurationRequest) -> rpc.UndoConfigurationResponse:
    """Gives a program back what it said before, as the caller."""
    await call.get(VariableConfiguration, request.variable_configuration_id, verb="UndoConfiguration")
    current = await _program(call, request.program_id)
    _expect(current, request.program_revision)
    earlier = await _program(call, request.program_id, request.previous_program_revision)
    earlier.etag = current.etag
    revision = await _write(call, earlier, _CONTENT, validate_only=request.validate_only)
    return rpc.UndoConfigurationResponse(program_id=current.id, program_revision=revision)


async def _program(call: Call, identifier: str, revision: int = 0) -> program_pb2.Program:
    with from_peer("program"):
        found: program_pb2.Program = await call.application.program.GetProgram(
            GetProgramRequest(id=identifier, revision=revision)
        )
    return found


async def _write(call: Call, program: program_pb2.Program, mask: FieldMask, *, validate_only: bool) -> int:
    """Writes a program over the state that was read, and returns its revision then."""
    with from_peer("program"):
        request = UpdateProgramRequest(program=program, update_mask=mask, validate_only=validate_only)
        written = await call.application.program.UpdateProgram(request)
    return int(written.revision)


def _expect(program: program_pb2.Program, revision: int) -> None:
    if revision not in (0, program.revision):
        raise StaleEtag(
            "the program has another revision than you expect: read it again and retry",
            current_revision=str(program.revision),
        )


async def _places(call: Call, kept: pb.VariableConfiguration, program: program_pb2.Program) -> list[Placed]:
    """Returns where the values belong in this program, judged anew: for its slots, and what they refer to."""
    found = await call.get(VariableSpace, kept.variable_space_id, revision=kept.variable_space_revision)
    slots = slots_of(program)
    values = values_of(kept.values)
    space = (await referred(call, found.id, space_of(found), values)).within(slots)
    lacking = {each.name for each in space.prompts if each.slot not in slots and values.get(each.name) == UNCHANGED}
    try:
        fitting = {name: each for name, each in values.items() if name not in lacking}
        return placed(space, space.validate(fitting), program)
    except Invalid as invalid:
        raise refusal(invalid.violations) from None


@contextmanager
def _in_our_words(places: list[Placed], wanted: program_pb2.Program) -> Iterator[None]:
    """Tells what the program refuses by the variable that asked for it."""
    try:
        yield
    except InvalidFields as refused:
        names = {f"program.{each.path(wanted)}": f"values.{each.variable}" for each in places}

        def ours(path: str) -> str:
            asked = next((name for place, name in names.items() if path == place or path.startswith(f"{place}[")), "")
            return asked or path

        raise refused.moved(ours) from None


def _told(row: Row) -> rpc.ComparedRow:
    values = [rpc.ComparedValue() if each is ABSENT else rpc.ComparedValue(value=_value(each)) for each in row.values]
    return rpc.ComparedRow(path=row.path, values=values, equal=row.is_equal)


def _change(place: Placed, before: Any) -> rpc.AppliedChange:
    made = rpc.AppliedChange(variable=place.variable, field=place.field, after=_value(place.value))
    if before is not None:
        made.before.CopyFrom(_value(before))
    return made


def _value(value: Any) -> Value:
    made: Value = ParseDict(value, Value())
    return made
