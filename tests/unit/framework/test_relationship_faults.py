"""Relationships that reads could not follow are refused where the service starts, each by its name."""

from typing import Any

import pytest
from ashgrove.resource.v1 import options_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from framework.policy import policy, signed_in
from framework.resource import Registry, Resource, Storage, Tenancy, spec_of
from framework.resource.edges import edge_faults

PACKAGE = "ashgrove.faulty.v1"
RELATIONSHIPS = [
    ("leaves", "Leaf", "tree_id", True),
    ("twigs", "Twig", "tree_id", True),
    ("name", "Leaf", "best_id", False),
    ("included", "Leaf", "best_id", False),
    ("Best", "Leaf", "best_id", False),
    ("by_text", "Leaf", "name", False),
    ("by_nothing", "Leaf", "nothing", True),
    ("sound", "Leaf", "best_id", False),
    ("twice", "Leaf", "best_id", False),
    ("twice", "Leaf", "best_id", False),
    ("world", "World", "best_id", False),
]
FAULTS = [
    "Tree.twice: 2 relationships have this name",
    "Tree.included: a resource with relationships needs it, for what reads include",
    "Tree.leaves: Leaf needs an index that begins with tree_id, or each read is a scan",
    "Tree.twigs: ashgrove.faulty.v1.Twig is no resource of this service",
    "Tree.name: is a field or column already",
    "Tree.included: is a field or column already",
    "Tree.Best: a relationship's name is in lower case, words joined by _",
    "Tree.by_text: Tree has no field name that holds an id",
    "Tree.by_nothing: Leaf has no field nothing that holds an id",
    "Tree.world: World and Tree must both belong to tenants, or both to none",
]


def _file() -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(name="faulty.proto", package=PACKAGE, syntax="proto3")
    made.dependency.append(options_pb2.DESCRIPTOR.name)
    for noun in ("Tree", "Leaf", "World"):
        message = made.message_type.add(name=noun)
        for number, name in enumerate(("id", "name", "tree_id", "best_id", "archived_at"), 1):
            message.field.add(name=name, number=number, type=9, label=1)
        message.options.Extensions[options_pb2.resource].collection = f"{noun.lower()}s"
    options = made.message_type[0].options.Extensions[options_pb2.resource]
    for name, resource, key, many in RELATIONSHIPS:
        options.relationships.add(name=name, resource=resource, key=key, many=many)
    made.message_type.add(name="GetTreeRequest").field.add(name="id", number=1, type=9, label=1)
    service = made.service.add(name="TreeService")
    service.method.add(name="GetTree", input_type=f".{PACKAGE}.GetTreeRequest", output_type=f".{PACKAGE}.Tree")
    return made


POOL = descriptor_pool.Default()
POOL.Add(_file())


def resource(noun: str, storage: Storage) -> Any:
    """Returns a resource of the faulty file."""
    message = message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"{PACKAGE}.{noun}"))
    facts = {"message": message, "storage": storage, "policies": [policy("Get", allow=signed_in)]}
    return type(noun, (Resource,), facts)


def declared(noun: str, storage: Storage) -> Any:
    """Returns the spec of one."""
    return spec_of(resource(noun, storage))


@pytest.mark.parametrize(
    ("storage", "indexed"),
    [
        (Storage(), False),
        (Storage(indexes=[("name", "tree_id")]), False),
        (Storage(unique=[("tree_id", "name")]), False),
        (Storage(indexes=[("tree_id", "name")]), True),
    ],
)
def test_every_fault_is_told_at_once(storage: Storage, indexed: bool) -> None:
    """An index serves an edge to many when it begins with the key and holds archived rows too."""
    tree = declared("Tree", Storage())
    others = [declared("Leaf", storage), declared("World", Storage(tenancy=Tenancy.GLOBAL))]
    found = list(edge_faults(tree, [tree, *others]))
    assert found == [fault for fault in FAULTS if not (indexed and "needs an index" in fault)]


def test_a_registry_tells_them_with_all_else_and_what_its_requests_lack() -> None:
    """What reads what has relationships takes includes."""
    resources = [resource(noun, Storage()) for noun in ("Tree", "Leaf")]
    with pytest.raises(TypeError) as refused:
        Registry("faulty", resources, POOL.FindServiceByName(f"{PACKAGE}.TreeService"))
    told = str(refused.value)
    assert all(fault in told for fault in FAULTS if "World" not in fault)
    assert "Tree.world: ashgrove.faulty.v1.World is no resource of this service" in told
    assert "GetTreeRequest.include: is missing, and GetTree needs it" in told
