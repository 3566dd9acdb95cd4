"""A resource with a field of every kind and its pieces, for tests of the framework itself; never served."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ashgrove.access.v1 import access_pb2
from ashgrove.resource.v1 import aggregate_pb2, export_pb2, included_pb2, options_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool, field_mask_pb2, message_factory, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from framework.call import Role
from framework.policy import (
    argument,
    bypass,
    changing,
    field_policy,
    forbid,
    has_role,
    is_public,
    owns,
    policy,
    signed_in,
)
from framework.query.aggregates import (
    avg,
    count,
    count_distinct,
    histogram,
    max_of,
    min_of,
    over_time,
    p50,
    p95,
    sum_of,
)
from framework.query.formulas import batched, sql
from framework.query.related_rows import exists, first, list_of
from framework.resource import Registry, Resource, Storage

_PACKAGE = "ashgrove.specimen.v1"
_OUTPUT_ONLY = field_behavior_pb2.FieldBehavior.OUTPUT_ONLY
_TYPES = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}
_DETAIL = """text string, count int32, big int64, ratio double, flag bool, at google.protobuf.Timestamp, color Color,
    note optional string, limit optional double, inner Detail, secret string"""
_SPECIMEN = """id string, name string, color Color, small int32, big int64, ratio double, flag bool,
    owner_id string, created_at google.protobuf.Timestamp, ended_at google.protobuf.Timestamp, detail Detail,
    tags repeated string, details repeated Detail, numbers repeated int64, free google.protobuf.Struct,
    anything google.protobuf.Value, secret string, etag string, visibility Visibility,
    hint optional string, weight optional double, favourite_id string, whisper string, rank int32, stamp string,
    forbidden_fields repeated string, included repeated ashgrove.resource.v1.Included"""
_COMPUTED = """piece_count int64, red_count int64, color_count int64, part_count int64, has_pieces bool,
    small_sum int64, weight_sum double, mean_weight optional double, mean_or_zero double, min_weight optional double,
    max_small optional int32, p50_weight optional double, p95_small optional double, last_piece_at
    google.protobuf.Timestamp, first_color Color, heaviest_name optional string, piece_names repeated string,
    spread ashgrove.resource.v1.Histogram, days repeated ashgrove.resource.v1.TimeBucket, doubled int64, shout string,
    weights repeated double"""
_PIECE = """id string, specimen_id string, parent_id string, name string, color Color, small int32,
    weight optional double, detail Detail, owner_id string, visibility Visibility, created_at google.protobuf.Timestamp,
    archived_at google.protobuf.Timestamp, secret string, included repeated ashgrove.resource.v1.Included"""
_MASK = "google.protobuf.FieldMask"
_REQUESTS = {
    "GetSpecimenRequest": f"id string, read_mask {_MASK}, include repeated string",
    "ListSpecimensRequest": f"""page_size int32, page_token string, filter string, order_by string, read_mask {_MASK},
        show_total_size bool, include repeated string""",
    "ListSpecimensResponse": "specimens repeated Specimen, next_page_token string, total_size int32",
    "GetPieceRequest": f"id string, read_mask {_MASK}, include repeated string",
    "ListPiecesRequest": f"""page_size int32, page_token string, filter string, order_by string, read_mask {_MASK},
        show_total_size bool, show_archived bool, specimen_id string, include repeated string""",
    "ListPiecesResponse": "pieces repeated Piece, next_page_token string, total_size int32",
    "CreateSpecimenRequest": "specimen Specimen, validate_only bool, request_id string",
    "UpdateSpecimenRequest": f"specimen Specimen, update_mask {_MASK}, validate_only bool, request_id string",
}
_METHODS = {
    "GetSpecimen": "Specimen",
    "ListSpecimens": "ListSpecimensResponse",
    "CreateSpecimen": "Specimen",
    "UpdateSpecimen": "Specimen",
    "GetPiece": "Piece",
    "ListPieces": "ListPiecesResponse",
}
# What every resource may have is asked and answered in messages of the framework.
_SHARED = {
    "TestSpecimenPermissions": "access.v1.TestPermissions",
    "ExplainSpecimenAccess": "access.v1.ExplainAccess",
    "AggregateSpecimens": "resource.v1.Aggregate",
    "AggregatePieces": "resource.v1.Aggregate",
    "ExportSpecimens": "resource.v1.Export",
}
_STREAMS = ("Export", "Watch")
_RELATIONSHIPS = {
    "Specimen": ("pieces Piece specimen_id many", "favourite Piece favourite_id one"),
    "Piece": (
        "specimen Specimen specimen_id one",
        "parent Piece parent_id one",
        "parts Piece parent_id many",
    ),
}
_TOLD = (options_pb2.ResourceOptions.PUBLICATION_CREATED, options_pb2.ResourceOptions.PUBLICATION_UPDATED)
_ENUMS = {
    "Color": ("COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_GREEN"),
    "Visibility": ("VISIBILITY_UNSPECIFIED", "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"),
}


def _fields(message: DescriptorProto, text: str) -> None:
    for number, part in enumerate(text.replace("\n", " ").split(","), 1):
        name, *marks, kind = part.split()
        field = message.field.add(name=name, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
        if "repeated" in marks:
            field.label = FieldDescriptorProto.LABEL_REPEATED
        if "optional" in marks:
            field.proto3_optional = True
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{name}")
        if kind in _TYPES:
            field.type = _TYPES[kind]
        else:
            field.type = FieldDescriptorProto.TYPE_ENUM if kind in _ENUMS else FieldDescriptorProto.TYPE_MESSAGE
            field.type_name = f".{kind}" if "." in kind else f".{_PACKAGE}.{kind}"
        if name == "secret":
            field.options.Extensions[options_pb2.sensitive] = True
        if name in ("id", "owner_id", "created_at", "etag", "forbidden_fields"):
            field.options.Extensions[field_behavior_pb2.field_behavior].append(_OUTPUT_ONLY)


def _scores(message: DescriptorProto) -> None:
    entry = message.nested_type.add(name="ScoresEntry")
    entry.options.map_entry = True
    _fields(entry, "key string, value double")
    field = message.field.add(name="scores", number=len(message.field) + 1, label=FieldDescriptorProto.LABEL_REPEATED)
    field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.ScoresEntry"


def _resource(message: DescriptorProto, text: str, collection: str, computed: str = "") -> None:
    _fields(message, f"{text}, {computed}" if computed else text)
    for field in message.field[len(text.split(",")) :]:
        field.options.Extensions[field_behavior_pb2.field_behavior].append(_OUTPUT_ONLY)
    _scores(message)
    options = message.options.Extensions[options_pb2.resource]
    options.collection = collection
    options.publishes.extend(_TOLD)
    for name, resource, key, many in map(str.split, _RELATIONSHIPS[message.name]):
        options.relationships.add(name=name, resource=resource, key=key, many=many == "many")


def _file() -> FileDescriptorProto:
    ours = [options_pb2, access_pb2, aggregate_pb2, export_pb2, included_pb2]
    needed = [struct_pb2, timestamp_pb2, field_mask_pb2, field_behavior_pb2, *ours]
    made = FileDescriptorProto(name="specimen.proto", package=_PACKAGE, syntax="proto3")
    made.dependency.extend(module.DESCRIPTOR.name for module in needed)
    for enum, names in _ENUMS.items():
        declared = made.enum_type.add(name=enum)
        for number, name in enumerate(names):
            declared.value.add(name=name, number=number)
    _fields(made.message_type.add(name="Detail"), _DETAIL)
    _resource(made.message_type.add(name="Specimen"), _SPECIMEN, "specimens", _COMPUTED)
    _resource(made.message_type.add(name="Piece"), _PIECE, "pieces")
    for name, text in _REQUESTS.items():
        _fields(made.message_type.add(name=name), text)
    service = made.service.add(name="SpecimenService")
    for name, answer in _METHODS.items():
        service.method.add(name=name, input_type=f".{_PACKAGE}.{name}Request", output_type=f".{_PACKAGE}.{answer}")
    for name, kind in _SHARED.items():
        asked, told = (f".ashgrove.{kind}{end}" for end in ("Request", "Response"))
        streams = name.startswith(_STREAMS)
        service.method.add(name=name, input_type=asked, output_type=told, server_streaming=streams)
    return made


_pool = descriptor_pool.Default()
_pool.Add(_file())


def message(name: str) -> Any:
    """Returns a message class of the specimen's file."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


async def _shouted(call: Any, specimens: Sequence[Any]) -> Sequence[str]:
    return [one.name.upper() for one in specimens]


class Specimen(Resource[Any]):
    """One of everything, read by its owner and, when public, by its organization."""

    message = message("Specimen")
    storage: ClassVar[Storage] = Storage(owner="owner_id", hidden={"hidden_key": "text NOT NULL DEFAULT ''"})
    policies: ClassVar[Any] = [
        # Above the bypass: these bind administrators too.
        forbid(changing("hint", to="forbidden"), "Create", "Update"),
        forbid(argument("specimen.hint", "unspeakable"), "Create"),
        bypass(has_role(Role.ADMIN)),
        policy("Create", allow=signed_in & owns),
        policy("Update", allow=owns),
        policy("Get", "List", allow=owns | is_public),
    ]
    field_policies: ClassVar[Any] = [
        field_policy("whisper", allow=owns | has_role(Role.ADMIN)),
        field_policy("stamp", allow=has_role(Role.ADMIN)),
        field_policy("rank", allow=has_role(Role.ADMIN), write=owns | has_role(Role.ADMIN)),
    ]
    computed: ClassVar[Mapping[str, Any]] = {
        "piece_count": count("pieces"),
        "red_count": count("pieces", where="color = red AND archived_at = null"),
        "color_count": count_distinct("pieces", "color"),
        "part_count": count("pieces.parts", where="small > 0"),
        "has_pieces": exists("pieces", where="weight:*"),
        "small_sum": sum_of("pieces", "small"),
        "weight_sum": sum_of("pieces", "weight"),
        "mean_weight": avg("pieces", "weight"),
        "mean_or_zero": avg("pieces", "weight", where="small > 0", default=0.0),
        "min_weight": min_of("pieces", "weight"),
        "max_small": max_of("pieces", "small"),
        "p50_weight": p50("pieces", "weight"),
        "p95_small": p95("pieces", "small"),
        "last_piece_at": max_of("pieces", "created_at"),
        "first_color": first("pieces", "color", order_by="small", default="COLOR_UNSPECIFIED"),
        "heaviest_name": first("pieces", "name", where="weight:*", order_by="weight desc"),
        "piece_names": list_of("pieces", "name", order_by="name", most=3),
        "weights": list_of("pieces", "weight", order_by="weight"),
        "spread": histogram("pieces", "weight", bins=3),
        "days": over_time("pieces", "weight", function="max"),
        "doubled": sql(lambda row: row["small_sum"] * 2),
        "shout": batched(_shouted, needs=("name",)),
    }


class Piece(Resource[Any]):
    """A part of a specimen or of another piece, read by its own owner, whoever owns what it is a part of."""

    message = message("Piece")
    storage: ClassVar[Storage] = Storage(
        owner="owner_id", indexes=[("specimen_id", "created_at"), ("parent_id", "created_at")]
    )
    policies: ClassVar[Any] = [bypass(has_role(Role.ADMIN)), policy("Get", "List", allow=owns | is_public)]


def registry() -> Registry:
    """Returns the declarations of specimens and pieces as those of a service."""
    return Registry("specimen", [Specimen, Piece], _pool.FindServiceByName(f"{_PACKAGE}.SpecimenService"))
