"""The space that a program's variables come from: another service's, so it is asked, as the caller, on every write."""

from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.program_requests_pb2 import CloneProgramRequest
from ashgrove.variables.v1.space_comparison_requests_pb2 import CloneVariableSpaceRequest
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.rpc.peer_failures import from_peer

_PATH = "program.variable_space_id"


async def refuse_strange_space(call: Call, new: Program, old: Program | None) -> None:
    """Raises InvalidFields for a newly named space out of the caller's sight, archived, or without such a revision."""
    known = old is not None and _named(old) == _named(new)
    if new.variable_space_revision and not new.variable_space_id:
        raise InvalidFields(FieldViolation(f"{_PATH.removesuffix('_id')}_revision", "is of no space: name that, too"))
    if known or not new.variable_space_id or call.application is None:
        return
    found, fault = await _found(call, new.variable_space_id)
    if fault:
        raise InvalidFields(FieldViolation(_PATH, fault))
    if new.variable_space_revision > found.revision:
        told = f"the space has revisions 1 to {found.revision}"
        raise InvalidFields(FieldViolation(f"{_PATH.removesuffix('_id')}_revision", told))


async def settle_space(call: Call, copy: Program, choice: int, name: str, *, validate_only: bool) -> None:
    """Leaves its parent's space to a copy as was chosen, and only where the caller could name it."""
    if choice == CloneProgramRequest.SPACE_NONE:
        copy.variable_space_id, copy.variable_space_revision = "", 0
    if not copy.variable_space_id or call.application is None:
        return
    found, fault = await _found(call, copy.variable_space_id)
    if fault:
        copy.variable_space_id, copy.variable_space_revision = "", 0
    elif choice == CloneProgramRequest.SPACE_PIN:
        copy.variable_space_revision = copy.variable_space_revision or found.revision
    elif choice == CloneProgramRequest.SPACE_COPY and not validate_only:
        wanted = CloneVariableSpaceRequest(
            variable_space_id=found.id, new_name=name, revision=copy.variable_space_revision
        )
        with from_peer("variables"):
            made = await call.application.variables.CloneVariableSpace(wanted)
        copy.variable_space_id, copy.variable_space_revision = made.id, 0


def _named(program: Program) -> tuple[str, int]:
    return program.variable_space_id, program.variable_space_revision


async def _found(call: Call, identifier: str) -> tuple[VariableSpace, str]:
    """Returns a space, and why the caller may not name it: the empty text where nothing is wrong with it."""
    request = GetVariableSpaceRequest(id=identifier, read_mask=FieldMask(paths=["id", "archived_at", "revision"]))
    try:
        with from_peer("variables"):
            found: VariableSpace = await call.application.variables.GetVariableSpace(request)
    except NotFound:
        return VariableSpace(), "there is no such space that you can see"
    return found, "is archived; name a space in use" if found.HasField("archived_at") else ""
