"""Field behaviours hold at every depth: in messages inside, in lists of them and in maps."""

from types import SimpleNamespace
from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from framework.engine.behaviour import ignore_output_only, merged, missing, unsound, without_output_only
from framework.errors import InvalidFields
from framework.resource.fields import fields_of

_PACKAGE = "ashgrove.behaviour.v1"
_BEHAVIOR = field_behavior_pb2.FieldBehavior


def _field(message: DescriptorProto, name: str, behaviour: str = "", inner: str = "", repeated: bool = False) -> None:
    label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    field = message.field.add(name=name, number=len(message.field) + 1, label=label)
    field.type = FieldDescriptorProto.TYPE_MESSAGE if inner else FieldDescriptorProto.TYPE_STRING
    if inner:
        field.type_name = f".{_PACKAGE}.{inner}"
    if behaviour:
        field.options.Extensions[field_behavior_pb2.field_behavior].append(_BEHAVIOR.Value(behaviour))


def _made() -> Any:
    file = FileDescriptorProto(name="behaviour.proto", package=_PACKAGE, syntax="proto3")
    file.dependency.append(field_behavior_pb2.DESCRIPTOR.name)
    part = file.message_type.add(name="Part")
    for name, behaviour in (("said", ""), ("needed", "REQUIRED"), ("fixed", "IMMUTABLE"), ("derived", "OUTPUT_ONLY")):
        _field(part, name, behaviour)
    _field(part, "inner", inner="Part")
    whole = file.message_type.add(name="Whole")
    _field(whole, "name", "REQUIRED")
    _field(whole, "one", inner="Part")
    _field(whole, "many", inner="Part", repeated=True)
    entry = whole.nested_type.add(name="NamedEntry")
    entry.options.map_entry = True
    _field(entry, "key")
    _field(entry, "value", inner="Part")
    _field(whole, "named", inner="Whole.NamedEntry", repeated=True)
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Whole"))


Whole = _made()
SPEC: Any = SimpleNamespace(fields=fields_of(Whole.DESCRIPTOR), singular="whole")


def whole(**values: str) -> Any:
    """Returns a message with a part like this everywhere where there may be one."""
    made = Whole(name="a", one={"needed": "x", **values}, many=[{"needed": "x", **values}])
    made.one.inner.CopyFrom(made.many[0])
    made.named["key"].CopyFrom(made.many[0])
    return made


def test_what_is_output_only_is_ignored_at_every_depth() -> None:
    """In a copy, unless it is cleared in place; the rest is kept."""
    forged = whole(derived="forged", said="kept")
    clean = without_output_only(forged)
    assert clean == whole(said="kept") and forged.one.derived == "forged"
    ignore_output_only(forged)
    assert forged == clean


def test_what_is_required_is_demanded_of_every_message_that_is_there() -> None:
    """With its path; of a message that is absent nothing is demanded."""
    assert [v.path for v in missing(Whole())] == ["name"]
    made = Whole(name="a", one={"inner": {}}, many=[{"needed": "x"}, {}])
    made.named["key"].SetInParent()
    paths = ["w.one.needed", "w.one.inner.needed", "w.many[1].needed", "w.named[key].needed"]
    assert [v.path for v in missing(made, "w.")] == paths == [v.path for v in unsound(made, "w.")]
    assert not list(missing(whole()))


def test_what_is_immutable_inside_a_message_is_kept() -> None:
    """Its change is refused with its path; a message that comes anew may say anything."""
    old, new = whole(fixed="then"), whole(fixed="now")
    with pytest.raises(InvalidFields) as refused:
        merged(SPEC, old, new, ["one"], "w.")
    assert [v.path for v in refused.value.violations] == ["w.one.fixed", "w.one.inner.fixed"]
    assert merged(SPEC, Whole(), new, ["one"], "").one == new.one
    assert not merged(SPEC, old, Whole(), ["one"], "").HasField("one")
    assert merged(SPEC, old, new, ["many", "named"], "").many == new.many


def test_what_is_output_only_inside_a_message_stays_as_it_was() -> None:
    """A client that changes the rest of a message does not lose what the server keeps in it."""
    old, new = whole(derived="ours", said="then"), whole(derived="forged", said="now")
    result = merged(SPEC, old, without_output_only(new), ["one"], "")
    assert (result.one.said, result.one.derived, result.one.inner.derived) == ("now", "ours", "ours")
