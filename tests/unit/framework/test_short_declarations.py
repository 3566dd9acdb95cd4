"""What a declaration need not say follows from what it says."""

from ashgrove.resource.v1 import options_pb2
from google.protobuf import descriptor_pb2

from framework.engine.behaviour import unsound
from framework.resource import Resource, spec_of
from framework.resource.spec import _relationship, _told
from framework.testing.specimen import Specimen, message
from services.variables.resources import VariableSpace


def test_the_message_is_that_of_the_declaration() -> None:
    """`class Note(Resource[note_pb2.Note])` says it once; a subclass has its parent's."""

    class Derived(Resource[descriptor_pb2.FileDescriptorProto]):
        """A resource."""

    class Further(VariableSpace):
        """Another one of the same message."""

    assert Derived.message is descriptor_pb2.FileDescriptorProto
    assert Further.message is VariableSpace.message


def test_a_relationship_is_named_after_its_key() -> None:
    """And leads to what it is named after."""
    declared = options_pb2.ResourceOptions.Relationship(key="variable_space_id")
    found = _relationship(Specimen.message.DESCRIPTOR, declared)
    assert (found.name, found.message) == ("variable_space", "ashgrove.specimen.v1.VariableSpace")
    declared.name, declared.resource = "home", "Place"
    found = _relationship(Specimen.message.DESCRIPTOR, declared)
    assert (found.name, found.message) == ("home", "ashgrove.specimen.v1.Place")


def test_everything_can_be_told() -> None:
    """Of what cannot be archived, what can happen to it."""
    every = [options_pb2.ResourceOptions.PUBLICATION_EVERY]
    assert _told(every, spec_of(Specimen).fields) == {"created", "updated"}
    assert _told(every, spec_of(VariableSpace).fields) == {"created", "updated", "archived", "unarchived", "purged"}


def test_an_id_that_is_none_is_refused_without_a_bound() -> None:
    """At its field, before anything tries to store it."""
    made = message("Piece")(specimen_id="no id")
    assert [(v.path, v.message) for v in unsound(made, "piece.")] == [("piece.specimen_id", "must be a UUID")]
    made.specimen_id = "0193A5C2-7d54-7c3e-9f5b-2a6f0e3c1b7d"
    assert not unsound(made)
