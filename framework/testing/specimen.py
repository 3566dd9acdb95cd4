"""A resource with a field of every kind and its pieces, for tests of the framework itself; never served."""

from typing import Any, ClassVar

from ashgrove.access.v1 import access_pb2
from ashgrove.resource.v1 import options_pb2
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool, field_mask_pb2, message_factory, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from framework.call import Role
from framework.policy import bypass, has_role, is_public, owns, policy, signed_in
from framework.resource import Registry, Resource, Storage

_PACKAGE = "ashgrove.specimen.v1"
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
    hint optional string, weight optional double, favourite_id string"""
_PIECE = """id string, specimen_id string, parent_id string, name string, color Color, small int32,
    weight optional double, detail Detail, owner_id string, visibility Visibility, created_at google.protobuf.Timestamp,
    archived_at google.protobuf.Timestamp, secret string"""
_MASK = "google.protobuf.FieldMask"
_REQUESTS = {
    "GetSpecimenRequest": f"id string, read_mask {_MASK}",
    "ListSpecimensRequest": f"""page_size int32, page_token string, filter string, order_by string, read_mask {_MASK},
        show_total_size bool""",
    "ListSpecimensResponse": "specimens repeated Specimen, next_page_token string, total_size int32",
    "GetPieceRequest": f"id string, read_mask {_MASK}",
    "ListPiecesRequest": f"""page_size int32, page_token string, filter string, order_by string, read_mask {_MASK},
        show_total_size bool, show_archived bool, specimen_id string""",
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
_ASKING = {"TestSpecimenPermissions": "TestPermissions", "ExplainSpecimenAccess": "ExplainAccess"}
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
        if name in ("id", "owner_id", "created_at", "etag"):
            behaviors = field.options.Extensions[field_behavior_pb2.field_behavior]
            behaviors.append(field_behavior_pb2.FieldBehavior.OUTPUT_ONLY)


def _scores(message: DescriptorProto) -> None:
    entry = message.nested_type.add(name="ScoresEntry")
    entry.options.map_entry = True
    _fields(entry, "key string, value double")
    field = message.field.add(name="scores", number=len(message.field) + 1, label=FieldDescriptorProto.LABEL_REPEATED)
    field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{_PACKAGE}.{message.name}.ScoresEntry"


def _resource(message: DescriptorProto, text: str, collection: str) -> None:
    _fields(message, text)
    _scores(message)
    options = message.options.Extensions[options_pb2.resource]
    options.collection = collection
    options.publishes.extend(_TOLD)
    for name, resource, key, many in map(str.split, _RELATIONSHIPS[message.name]):
        options.relationships.add(name=name, resource=resource, key=key, many=many == "many")


def _file() -> FileDescriptorProto:
    needed = [struct_pb2, timestamp_pb2, field_mask_pb2, options_pb2, field_behavior_pb2, access_pb2]
    made = FileDescriptorProto(name="specimen.proto", package=_PACKAGE, syntax="proto3")
    made.dependency.extend(module.DESCRIPTOR.name for module in needed)
    for enum, names in _ENUMS.items():
        declared = made.enum_type.add(name=enum)
        for number, name in enumerate(names):
            declared.value.add(name=name, number=number)
    _fields(made.message_type.add(name="Detail"), _DETAIL)
    _resource(made.message_type.add(name="Specimen"), _SPECIMEN, "specimens")
    _resource(made.message_type.add(name="Piece"), _PIECE, "pieces")
    for name, text in _REQUESTS.items():
        _fields(made.message_type.add(name=name), text)
    service = made.service.add(name="SpecimenService")
    for name, answer in _METHODS.items():
        service.method.add(name=name, input_type=f".{_PACKAGE}.{name}Request", output_type=f".{_PACKAGE}.{answer}")
    for name, kind in _ASKING.items():
        asked, told = (f".ashgrove.access.v1.{kind}{end}" for end in ("Request", "Response"))
        service.method.add(name=name, input_type=asked, output_type=told)
    return made


_pool = descriptor_pool.Default()
_pool.Add(_file())


def message(name: str) -> Any:
    """Returns a message class of the specimen's file."""
    return message_factory.GetMessageClass(_pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


class Specimen(Resource[Any]):
    """One of everything, read by its owner and, when public, by its organization."""

    message = message("Specimen")
    storage: ClassVar[Storage] = Storage(owner="owner_id", hidden={"hidden_key": "text NOT NULL DEFAULT ''"})
    policies: ClassVar[Any] = [
        bypass(has_role(Role.ADMIN)),
        policy("Create", allow=signed_in & owns),
        policy("Update", allow=owns),
        policy("Get", "List", allow=owns | is_public),
    ]


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
