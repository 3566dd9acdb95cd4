"""What differs between documents."""

import asyncio
from typing import Any

from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1 import program_requests_pb2 as rpc
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value

from domain.comparing import ABSENT
from domain.documents import Changed, changes
from domain.values import Json
from framework.engine import Call
from framework.resource import action
from services.program.resources.program import Program
from services.program.schemas.serving import compatibility

_KINDS = {
    "same": rpc.TextPiece.KIND_SAME,
    "removed": rpc.TextPiece.KIND_REMOVED,
    "added": rpc.TextPiece.KIND_ADDED,
}


@action(Program, "DiffPrograms")
async def diff(call: Call, request: rpc.DiffProgramsRequest) -> rpc.DiffProgramsResponse:
    """Tells what differs between two documents."""
    one = await call.get(Program, request.id, revision=request.revision, verb="DiffPrograms")
    other = await call.get(
        Program, request.other_id or request.id, revision=request.other_revision, verb="DiffPrograms"
    )
    told = await asyncio.to_thread(lambda: [_told(each) for each in changes(_content(one), _content(other))])
    return rpc.DiffProgramsResponse(
        changes=told,
        same=not told,
        compatibility=compatibility(one.signature_config, other.signature_config),
        revision=one.revision,
        other_revision=other.revision,
    )


def _content(program: program_pb2.Program) -> dict[str, Json]:
    """Returns what makes a revision, without what is derived from what a pipeline's steps refer to."""
    told = program_pb2.Program(signature_config=program.signature_config, program_config=program.program_config)
    for step in told.program_config.pipeline.steps:
        if step.HasField("program"):
            step.program.ClearField("signature_config")
    plain: dict[str, Json] = MessageToDict(told, preserving_proto_field_name=True)
    return plain


def _told(change: Changed) -> rpc.DocumentChange:
    made = rpc.DocumentChange(path=change.path)
    for side, value in (("before", change.before), ("after", change.after)):
        if value is not ABSENT:
            getattr(made, side).CopyFrom(ParseDict(value, Value()))
    made.pieces.extend(_piece(each) for each in change.pieces)
    return made


def _piece(piece: Any) -> rpc.TextPiece:
    return rpc.TextPiece(kind=_KINDS[piece.kind], text=piece.text)
