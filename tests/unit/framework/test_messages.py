"""What the engine does to messages before it believes them."""

import pytest
from ashgrove.program.v1 import program_pb2
from ashgrove.variables.v1 import variable_configuration_pb2, variable_space_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.struct_pb2 import Struct, Value

from framework.engine.behaviour import merged, missing, without_output_only
from framework.engine.messages import content_of, masked_paths, violations_of
from framework.engine.storable import unstorable
from framework.errors import InvalidFields
from framework.resource import spec_of
from services.variables.resources import VariableConfiguration, VariableSpace

SPACE = spec_of(VariableSpace)
CONFIGURATION = spec_of(VariableConfiguration)


def test_violations_name_their_place_below_the_prefix() -> None:
    """Repeated fields are named with their index."""
    space = variable_space_pb2.VariableSpace(name="a")
    space.variables.add(name="Bad Name", boolean=variable_space_pb2.BooleanDomain())
    assert "variable_space.variables[0].name" in {v.path for v in violations_of(space, "variable_space.")}


def test_required_fields_that_are_empty_are_missing() -> None:
    """Messages when absent, text and lists when empty."""
    empty = variable_configuration_pb2.VariableConfiguration()
    paths = [v.path for v in missing(empty, "variable_configuration.")]
    assert paths == [f"variable_configuration.{n}" for n in ("name", "variable_space_id", "values")]


def test_output_only_fields_are_cleared_in_a_copy() -> None:
    """The caller's message stays as it is."""
    given = variable_space_pb2.VariableSpace(id="x", name="a", owner_id="me", revision=9)
    clean = without_output_only(given)
    assert (clean.id, clean.owner_id, clean.revision, clean.name) == ("", "", 0, "a")
    assert given.owner_id == "me"


def test_a_mask_names_top_level_fields_that_clients_may_write() -> None:
    """Without one the populated fields are meant, `*` means all; OUTPUT_ONLY ones are left out."""
    given = variable_space_pb2.VariableSpace(id="x", name="a", status=2)
    assert masked_paths(SPACE, given, FieldMask()) == ["name"]
    every = ["name", "description", "variables", "constraints", "visibility", "metadata"]
    assert masked_paths(SPACE, given, FieldMask(paths=["*"])) == every
    paths = FieldMask(paths=["variables.name", "status", "variables", "etag"])
    assert masked_paths(SPACE, given, paths) == ["variables"]
    with pytest.raises(InvalidFields):
        masked_paths(SPACE, given, FieldMask(paths=["nothing"]))


def test_a_merge_takes_the_named_fields_and_empties_those_that_are_empty() -> None:
    """The old message stays as it is."""
    old = variable_space_pb2.VariableSpace(name="a", description="b")
    new = variable_space_pb2.VariableSpace(name="c")
    result = merged(SPACE, old, new, ["description"], "")
    assert (result.name, result.description, old.description) == ("a", "", "b")
    result = merged(SPACE, old, new, ["name"], "")
    assert (result.name, result.description) == ("c", "b")


def test_a_merge_refuses_every_changed_immutable_field_at_once() -> None:
    """An unchanged one passes."""
    old = variable_configuration_pb2.VariableConfiguration(variable_space_id="a", origin=1)
    new = variable_configuration_pb2.VariableConfiguration(variable_space_id="b", origin=2)
    with pytest.raises(InvalidFields) as refused:
        merged(CONFIGURATION, old, new, ["variable_space_id", "origin"], "variable_configuration.")
    paths = [v.path for v in refused.value.violations]
    assert paths == ["variable_configuration.variable_space_id", "variable_configuration.origin"]
    assert merged(CONFIGURATION, old, old, ["origin"], "").origin == 1


def test_content_is_plain_json_under_proto_names() -> None:
    """Whole doubles are integers, as people mean them."""
    space = variable_space_pb2.VariableSpace()
    space.variables.add(name="shots", integer=variable_space_pb2.IntegerDomain(low=1, high=3)).default.number_value = 2
    assert content_of(SPACE, space) == {
        "variables": [{"name": "shots", "integer": {"low": "1", "high": "3"}, "default": 2}],
        "constraints": [],
    }


def test_what_cannot_be_stored_is_found_wherever_it_hides() -> None:
    """In names and values of structs, in lists, in maps, in repeated messages."""
    values = Struct()
    values.update({"a": [1, float("inf")], "b\0": {"c": "\0"}, "fine": "é"})
    found = unstorable(variable_configuration_pb2.VariableConfiguration(name="\0", values=values))
    assert sorted(v.path for v in found) == ["name", "values", "values.a[1]", "values.b\0.c"]
    space = variable_space_pb2.VariableSpace()
    space.variables.add(name="x", default=Value(number_value=float("nan")))
    assert [v.path for v in unstorable(space)] == ["variables[0].default"]
    metrics = program_pb2.PerformanceMetrics(scores={"\0": 1.0, "fine": 1.0})
    assert [v.path for v in unstorable(metrics)] == ["scores"]
