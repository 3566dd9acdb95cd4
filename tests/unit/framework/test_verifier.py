"""Whatever is wrong with a service's declarations is told at once, each complaint with its resource and field."""

from typing import Any, ClassVar

import pytest
from ashgrove.resource.v1 import options_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from framework.policy import owns, policy
from framework.resource import Registry, Resource, Storage
from gateway.envoy.render import descriptors
from services.describe import registries

PACKAGE = "ashgrove.broken.v1"
MESSAGES = {
    "Broken": "name secret organization_id owner_id revision",
    "GetBrokenRequest": "identifier",
    "ListBrokensRequest": "filter",
    "ListBrokensResponse": "rows",
    "CreateBrokenRequest": "broken",
    "UpdateBrokenRequest": "mask",
    "ArchiveBrokenRequest": "id",
    "WatchBrokensRequest": "filter",
    "ExplodeBrokenRequest": "id",
}
ANSWERS = {"ListBrokens": "ListBrokensResponse", "ArchiveBroken": "ListBrokensResponse"}


def _file() -> FileDescriptorProto:
    made = FileDescriptorProto(name="broken.proto", package=PACKAGE, syntax="proto3")
    made.dependency.append(options_pb2.DESCRIPTOR.name)
    service = made.service.add(name="BrokenService")
    for name, fields in MESSAGES.items():
        message = made.message_type.add(name=name)
        for number, field in enumerate(fields.split(), 1):
            message.field.add(name=field, number=number, type=FieldDescriptorProto.TYPE_STRING)
        if name.endswith("Request"):
            rpc = name.removesuffix("Request")
            answer = ANSWERS.get(rpc, "Broken")
            service.method.add(name=rpc, input_type=f".{PACKAGE}.{name}", output_type=f".{PACKAGE}.{answer}")
    options = made.message_type[0].options.Extensions[options_pb2.resource]
    options.collection = "brokens"
    options.relationships.add(key="nothing_id")
    made.message_type[0].field[1].options.Extensions[options_pb2.sensitive] = True
    return made


_POOL = descriptor_pool.Default()
_POOL.Add(_file())


class Broken(Resource[Any]):
    """Nothing of it holds."""

    message = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.Broken"))
    storage = Storage(
        owner="owner_id",
        unique=[("secret",)],
        indexes=[("absent",)],
        content=("name",),
        hidden={"name": "text"},
        references={"owner_id": "people"},
        part_of=("program_id",),
        initial={"status": 1},
    )
    policies: ClassVar[Any] = [policy("Get", "List", "Update", "Archive", "Explode", allow=owns)]


COMPLAINTS = """
Broken.nothing: ashgrove.broken.v1.Nothing is no resource of this service
Broken.included: a resource with relationships needs it
Broken: unique names secret, which is sensitive
Broken: indexes names absent
Broken: initial names status
Broken: part_of names program_id
Broken: hidden column name is a public field
Broken: references names owner_id, and no index begins with it
Broken: content needs the fields revision and content_hash
Broken.owner_id: must be OUTPUT_ONLY
Broken.revision: must be OUTPUT_ONLY
Broken.id: must be a string
Broken.organization_id: is a column of the framework's own
Broken: no policy speaks of Create
GetBrokenRequest.id: is missing
GetBrokenRequest.include: is missing
ListBrokensRequest.page_size: is missing
ListBrokensRequest.page_token: is missing
ListBrokensRequest.order_by: is missing
ListBrokensRequest.include: is missing
ListBrokensResponse.brokens: is missing
ListBrokensResponse.next_page_token: is missing
CreateBrokenRequest.broken: must be Broken
UpdateBrokenRequest.broken: is missing
UpdateBrokenRequest.update_mask: is missing
ArchiveBrokenRequest.etag: is missing
ArchiveBroken: must be Broken
Broken: Archive needs the field archived_at
Broken: publishes nothing
WatchBrokens: must answer with a stream
BrokenService.ExplodeBroken: nothing does it
"""


def test_every_complaint_comes_at_once() -> None:
    """In one TypeError, and nothing else is in it."""
    with pytest.raises(TypeError) as refused:
        Registry("broken", [Broken], _POOL.FindServiceByName(f"{PACKAGE}.BrokenService"))
    told = [line.strip() for line in str(refused.value).splitlines()[1:]]
    wanted = COMPLAINTS.strip().splitlines()
    assert [start for start in wanted if not any(line.startswith(start) for line in told)] == []
    assert [line for line in told if not any(line.startswith(start) for start in wanted)] == []


def test_every_public_field_has_a_comment() -> None:
    """Of every declared resource: the catalogue of the API is written from them."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptors().read_bytes())
    by_name = {file.name: file for file in files.file}
    for registry in registries():
        for spec in registry.specs.values():
            file = by_name[spec.message.DESCRIPTOR.file.name]
            said = {tuple(at.path): at.leading_comments for at in file.source_code_info.location}
            number = next(i for i, message in enumerate(file.message_type) if message.name == spec.noun)
            fields = file.message_type[number].field
            # A field's place in its file: message_type (4), the message, field (2), its number in the list.
            silent = [f.name for i, f in enumerate(fields) if not said.get((4, number, 2, i), "").strip()]
            assert not silent, f"{spec.noun} says nothing about {silent}"
