"""Spaces carried to other libraries and back, and proposed for programs; nothing of it is kept."""

import asyncio
import json
from collections.abc import Iterable

from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from ashgrove.program.v1.program_requests_pb2 import GetProgramRequest
from ashgrove.variables.v1 import space_exchange_requests_pb2 as rpc
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import ParseDict

from domain.interchange import FORMATS, Exported, Format, Remark, imported
from domain.space import Space
from domain.values import Invalid
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from framework.rpc.peer_failures import from_peer
from services.variables.presets import known_models
from services.variables.proposing import proposed
from services.variables.spaces import refusal, size_of, space_of
from services.variables.variable_spaces import VariableSpace


@action(VariableSpace, "ExportVariableSpace")
async def export(call: Call, request: rpc.ExportVariableSpaceRequest) -> rpc.ExportVariableSpaceResponse:
    """Writes a space for another library."""
    found = await call.get(
        VariableSpace, request.variable_space_id, revision=request.revision, verb="ExportVariableSpace"
    )
    there = await asyncio.to_thread(lambda: Exported(space_of(found), _form(request.format)))
    return rpc.ExportVariableSpaceResponse(
        content=json.dumps(there.document, ensure_ascii=False),
        remarks=_remarks(there.remarks),
        revision=found.revision,
    )


@action(VariableSpace, "ImportVariableSpace")
async def import_(call: Call, request: rpc.ImportVariableSpaceRequest) -> rpc.ImportVariableSpaceResponse:
    """Reads what another library wrote."""
    try:
        document = json.loads(request.content)
        space, remarks = await asyncio.to_thread(imported, document, _form(request.format))
    except (ValueError, RecursionError):
        raise InvalidFields(FieldViolation("content", "must be JSON")) from None
    except Invalid as invalid:
        raise refusal(invalid.violations) from None
    made = await asyncio.to_thread(message_of, space)
    return rpc.ImportVariableSpaceResponse(variable_space=made, remarks=_remarks(remarks))


@action(VariableSpace, "ExtractVariableSpace")
async def extract(call: Call, request: rpc.ExtractVariableSpaceRequest) -> rpc.ExtractVariableSpaceResponse:
    """Proposes what of a program may be tuned."""
    with from_peer("program"):
        program = await call.application.program.GetProgram(
            GetProgramRequest(id=request.program_id, revision=request.program_revision)
        )
        dataset = await _dataset(call, request.dataset_id) if request.dataset_id else None
    models = list(request.models) or await known_models(call)
    made = pb.VariableSpace(variables=proposed(program, models, slots=request.slots, dataset=dataset))
    made.size.CopyFrom(await asyncio.to_thread(lambda: size_of(space_of(made))))
    return rpc.ExtractVariableSpaceResponse(variable_space=made, program_revision=program.revision)


async def _dataset(call: Call, identifier: str) -> Dataset:
    dataset: Dataset = await call.application.program.GetDataset(GetDatasetRequest(id=identifier))
    return dataset


def message_of(space: Space) -> pb.VariableSpace:
    """Returns a space that nobody keeps as a message, with its size."""
    plain = {"variables": space.to_json(), "constraints": [each.to_json() for each in space.constraints]}
    made: pb.VariableSpace = ParseDict(plain, pb.VariableSpace())
    made.size.CopyFrom(size_of(space))
    return made


def _form(form: rpc.SpaceFormat.ValueType) -> Format:
    return FORMATS[rpc.SpaceFormat.Name(form).removeprefix("SPACE_FORMAT_").lower()]


def _remarks(remarks: Iterable[Remark]) -> list[rpc.ExchangeRemark]:
    return [
        rpc.ExchangeRemark(path=each.path, kind=f"KIND_{each.kind}", message=each.message)  # type: ignore[arg-type]
        for each in remarks
    ]
