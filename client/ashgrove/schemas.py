"""Schemas: fields inferred, merged, compared, written for model providers, and used to judge values."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ashgrove.areas import ProgramArea
from ashgrove.collection import Kind
from ashgrove.program.v1 import schema_requests_pb2 as rpc
from ashgrove.program.v1.signature_pb2 import SignatureConfig, SignatureField
from ashgrove.values import numbered, to_dict, to_struct

Fields = Sequence[SignatureField]


class Schemas(Kind[rpc.GetProgramSchemaResponse]):
    """What is made of fields, those of `ashgrove.programs.field`; nothing of it is kept."""

    area, noun, plural = ProgramArea, "ProgramSchema", "schemas"

    def infer(self, examples: Iterable[Mapping[str, Any]], *, most_choices: int | None = None) -> list[SignatureField]:
        """Returns the fields that all examples fit; raises InvalidArgument where values have no type in common."""
        asked = {} if most_choices is None else {"most_choices": most_choices}
        return list(self._call("InferSchema", examples=[to_struct(each) for each in examples], **asked).fields)

    def merge(self, fields: Fields, other_fields: Fields, conflict: str = "refuse") -> list[SignatureField]:
        """Returns one list of fields; `conflict` settles what both have otherwise: refuse, first, second or widen."""
        number = numbered(rpc.MergeSchemasRequest.Conflict, conflict)
        return list(self._call("MergeSchemas", fields=fields, other_fields=other_fields, conflict=number).fields)

    def compare(self, old: SignatureConfig, new: SignatureConfig) -> rpc.CheckCompatibilityResponse:
        """Returns what a new signature changes, and whether that breaks anything."""
        told: rpc.CheckCompatibilityResponse = self._call("CheckCompatibility", old_signature=old, new_signature=new)
        return told

    def json_schema(self, fields: Fields, dialect: str = "generic") -> dict[str, Any]:
        """Returns JSON Schema; `dialect` is generic, openai, anthropic, gemini or openapi."""
        told = self._call("WriteJsonSchema", fields=fields, dialect=_dialect(dialect))
        return dict(json.loads(told.json_schema))

    def of_program(
        self, identifier: str, dialect: str = "generic", revision: int = 0
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the JSON Schemas of what a program takes and gives."""
        told = self._call("GetProgramSchema", id=identifier, revision=revision, dialect=_dialect(dialect))
        return json.loads(told.inputs_schema), json.loads(told.outputs_schema)

    def validate(
        self, fields: Fields, values: Mapping[str, Any], *, lenient: bool = False, upcast: bool = False
    ) -> dict[str, Any]:
        """Returns values as they would be kept; raises ValueError with everything that is wrong with them."""
        told = self._call("ValidateValues", fields=fields, values=to_struct(values), lenient=lenient, upcast=upcast)
        if told.violations:
            raise ValueError("; ".join(f"{each.path} {each.message}" for each in told.violations))
        return to_dict(told.values)


def _dialect(word: str) -> int:
    number: int = numbered(rpc.SchemaDialect, word)
    return number
