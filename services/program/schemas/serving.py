"""What is answered about schemas: inferred, merged, compared, written for others, and used to judge values."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ashgrove.program.v1 import schema_requests_pb2 as rpc
from ashgrove.program.v1.signature_pb2 import SignatureConfig, SignatureField

from domain.signatures.compatibility import changes
from domain.signatures.field import Field
from domain.signatures.filling import upcast
from domain.signatures.inference import MOST_CHOICES, inferred
from domain.signatures.json_schema import Dialect, Loss, Written, written
from domain.signatures.kinds import MOST_PROPERTIES
from domain.signatures.merging import Conflict, merged
from domain.values import Invalid, normalise
from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields
from framework.resource import action
from framework.structs import struct_of, values_of
from services.program import shapes
from services.program.resources.program import Program
from services.program.schemas.checking import checker_of
from services.program.schemas.declared import fields_from, message_of


@action(Program, "InferSchema")
async def infer(call: Call, request: rpc.InferSchemaRequest) -> rpc.InferSchemaResponse:
    """Infers fields from examples."""
    most = request.most_choices if request.HasField("most_choices") else MOST_CHOICES

    def found() -> Sequence[Field]:
        examples = [normalise(values_of(each), f"examples[{i}]") for i, each in enumerate(request.examples)]
        return inferred([_by_name(each) for each in examples], most)

    try:
        fields = await asyncio.to_thread(found)
    except Invalid as invalid:
        raise _refusal(invalid) from None
    return rpc.InferSchemaResponse(fields=map(message_of, fields))


@action(Program, "MergeSchemas")
async def merge(call: Call, request: rpc.MergeSchemasRequest) -> rpc.MergeSchemasResponse:
    """Makes one list of fields of two."""
    one, other = _sound(request.fields, "fields"), _sound(request.other_fields, "other_fields")
    try:
        fields = merged(one, other, _CONFLICTS[request.conflict])
    except Invalid as invalid:
        raise _refusal(invalid) from None
    if len(fields) > MOST_PROPERTIES:
        told = f"make {len(fields)} fields with the others, which is more than the {MOST_PROPERTIES} that there may be"
        raise InvalidFields(FieldViolation("other_fields", told))
    return rpc.MergeSchemasResponse(fields=map(message_of, fields))


@action(Program, "CheckCompatibility")
async def compare(call: Call, request: rpc.CheckCompatibilityRequest) -> rpc.CheckCompatibilityResponse:
    """Tells what a new signature breaks."""
    return compatibility(_whole(request.old_signature, "old"), _whole(request.new_signature, "new"))


@action(Program, "WriteJsonSchema")
async def write(call: Call, request: rpc.WriteJsonSchemaRequest) -> rpc.WriteJsonSchemaResponse:
    """Writes fields as JSON Schema."""
    made = written(_sound(request.fields, "fields"), _dialect(request.dialect))
    return rpc.WriteJsonSchemaResponse(json_schema=_json(made), losses=_losses(made.losses))


@action(Program, "ValidateValues")
async def judge(call: Call, request: rpc.ValidateValuesRequest) -> rpc.ValidateValuesResponse:
    """Judges values."""
    fields, given = _sound(request.fields, "fields"), values_of(request.values)
    checker = checker_of(request.fields)
    checked = checker.check(upcast(fields, given) if request.upcast else given, "values", lenient=request.lenient)
    if not checked.violations:
        return rpc.ValidateValuesResponse(values=struct_of(checked.values))
    told = [rpc.SchemaViolation(path=v.path, message=v.message, code=v.code) for v in checked.violations]
    return rpc.ValidateValuesResponse(violations=told)


@action(Program, "GetProgramSchema")
async def of_program(call: Call, request: rpc.GetProgramSchemaRequest) -> rpc.GetProgramSchemaResponse:
    """Writes the schemas of a program."""
    found = await call.get(Program, request.id, revision=request.revision, verb="GetProgramSchema")
    signature = found.signature_config
    inputs, outputs = (
        written(fields_from(side), _dialect(request.dialect)) for side in (signature.inputs, signature.outputs)
    )
    return rpc.GetProgramSchemaResponse(
        inputs_schema=_json(inputs),
        outputs_schema=_json(outputs),
        losses=[*_losses(inputs.losses, "inputs."), *_losses(outputs.losses, "outputs.")],
        revision=found.revision,
    )


def compatibility(old: SignatureConfig, new: SignatureConfig) -> rpc.CheckCompatibilityResponse:
    """Returns what a new signature changes."""
    found = [
        change
        for side in ("inputs", "outputs")
        for change in changes(fields_from(getattr(old, side)), fields_from(getattr(new, side)), side)
    ]
    return rpc.CheckCompatibilityResponse(
        changes=[
            rpc.SchemaChange(
                path=each.path,
                message=each.message,
                breaks_callers=each.breaks_callers,
                breaks_stored=each.breaks_stored,
            )
            for each in found
        ],
        compatible_for_callers=not any(each.breaks_callers for each in found),
        compatible_for_stored=not any(each.breaks_stored for each in found),
    )


_CONFLICTS: dict[int, Conflict] = {0: "refuse", 1: "refuse", 2: "first", 3: "second", 4: "widen"}


def _by_name(value: Any) -> Any:
    """Returns a value with its names in order: those of a Struct come in any, and another one in each process."""
    if isinstance(value, Mapping):
        return {name: _by_name(value[name]) for name in sorted(value)}
    return [_by_name(each) for each in value] if isinstance(value, list) else value


def _sound(fields: Iterable[SignatureField], path: str) -> Sequence[Field]:
    """Returns fields that were sent along; raises InvalidFields for what makes no sense."""
    placed = shapes.at(path, fields)
    if faults := list(shapes.declared_faults(placed)):
        raise InvalidFields(*faults)
    return fields_from(each for _, each in placed)


def _whole(signature: SignatureConfig, word: str) -> SignatureConfig:
    for side in ("inputs", "outputs"):
        _sound(getattr(signature, side), f"{word}_signature.{side}")
    return signature


def _dialect(number: rpc.SchemaDialect.ValueType) -> Dialect:
    name = rpc.SchemaDialect.Name(number).removeprefix("SCHEMA_DIALECT_")
    return Dialect.GENERIC if name == "UNSPECIFIED" else Dialect[name]


def _json(made: Written) -> str:
    return json.dumps(made.schema, ensure_ascii=False)


def _losses(losses: Iterable[Loss], prefix: str = "") -> list[Any]:
    return [rpc.SchemaLoss(path=prefix + each.path, message=each.message) for each in losses]


def _refusal(invalid: Invalid) -> InvalidFields:
    return InvalidFields(*(FieldViolation(each.path, each.message) for each in invalid.violations))
