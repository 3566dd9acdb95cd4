"""The space that a program's variables come from: another service's, so it is asked, as the caller, on every write."""

from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1.variable_space_requests_pb2 import GetVariableSpaceRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.rpc.peer_failures import from_peer

_PATH = "program.variable_space_id"


async def refuse_strange_space(call: Call, new: Program, old: Program | None) -> None:
    """Raises InvalidFields for a newly named space that the caller cannot see, or that is archived."""
    known = old is not None and old.variable_space_id == new.variable_space_id
    if known or not new.variable_space_id or call.application is None:
        return
    fault = await _fault(call, new.variable_space_id)
    if fault:
        raise InvalidFields(FieldViolation(_PATH, fault))


async def drop_strange_space(call: Call, copy: Program) -> None:
    """Leaves its parent's space to a copy only where the caller could name it."""
    if copy.variable_space_id and call.application is not None and await _fault(call, copy.variable_space_id):
        copy.variable_space_id = ""


async def _fault(call: Call, identifier: str) -> str:
    """Returns why the caller may not name a space, the empty text where nothing is wrong with it."""
    request = GetVariableSpaceRequest(id=identifier, read_mask=FieldMask(paths=["id", "archived_at"]))
    try:
        with from_peer("variables"):
            found = await call.application.variables.GetVariableSpace(request)
    except NotFound:
        return "there is no such space that you can see"
    return "is archived; name a space in use" if found.HasField("archived_at") else ""
