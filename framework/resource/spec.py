"""The frozen spec of a resource: declaration and descriptor, completed; every other layer reads only this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from ashgrove.resource.v1 import options_pb2
from google.protobuf.message import Message

from framework.resource.declaration import Resource, Storage, Tenancy
from framework.resource.fields import Field, Kind, fields_of, snake
from framework.resource.states import StateMachine, archiving


@dataclass(frozen=True)
class Relationship:
    """Where a resource leads to others of its service, or to itself."""

    name: str
    message: str
    """The full name of the related resource's message."""
    key: str
    many: bool

    @property
    def target(self) -> "ResourceSpec":
        """The related resource; KeyError unless something has compiled it, as every registry does for its own."""
        return _COMPILED[self.message]

    @property
    def ends(self) -> tuple[str, str]:
        """The two columns that hold the same id: on the resource itself, and on the related one."""
        return ("id", self.key) if self.many else (self.key, "id")


@dataclass(frozen=True)
class ResourceSpec:
    """All that is known about a resource."""

    resource: type[Resource[Any]]
    message: type[Message]
    noun: str
    singular: str
    collection: str
    publishes: frozenset[str]
    summarized: frozenset[str]
    """What the audit trail keeps as counts and digests, such as `created`."""
    fields: Mapping[str, Field]
    """The public fields that have a column."""
    computed: Mapping[str, Field]
    """The public fields that have none: the declaration's formulas fill them."""
    relationships: Mapping[str, Relationship]
    storage: Storage
    policies: Sequence[Any]
    states: StateMachine | None
    """The life of a row; that of whatever can be put away, where the declaration says nothing."""
    field_policies: Sequence[Any] = ()
    untold: frozenset[str] = frozenset()
    """The fields that events leave out."""

    def __hash__(self) -> int:
        return id(self)  # asked several times a call, as a key of what is kept for a resource

    def __eq__(self, other: object) -> bool:
        return self is other

    @property
    def tenant(self) -> bool:
        """Whether rows belong to an organization."""
        return self.storage.tenancy is Tenancy.TENANT

    @property
    def told(self) -> frozenset[str]:
        """What leaves an event: what is published, and what only the audit trail is told."""
        return self.publishes | self.summarized

    @property
    def called(self) -> str:
        """What people call one of it, such as `variable space`."""
        return self.singular.replace("_", " ")

    @property
    def plural(self) -> str:
        """The plural noun as RPCs have it, such as `VariableSpaces`."""
        return "".join(word.capitalize() for word in self.collection.split("_"))

    @property
    def has_etag(self) -> bool:
        """Whether clients may lock optimistically."""
        return "etag" in self.message.DESCRIPTOR.fields_by_name

    @property
    def archivable(self) -> bool:
        """Whether the resource can be put away."""
        return "archived_at" in self.fields

    @property
    def revisioned(self) -> bool:
        """Whether content changes make numbered revisions."""
        return bool(self.storage.content)

    def formula(self, name: str) -> Any:
        """Returns what computes a field, None for a field that nothing computes."""
        return self.resource.computed.get(name)


_COMPILED: dict[str, ResourceSpec] = {}


def spec_of(resource: type[Resource[Any]]) -> ResourceSpec:
    """Returns the one spec of a declaration; raises TypeError when it has no message or no options."""
    key: Any = resource  # mypy takes the class for an unhashable instance
    return _compiled(key)


@cache
def _compiled(resource: Any) -> ResourceSpec:
    descriptor = resource.message.DESCRIPTOR
    options = descriptor.GetOptions().Extensions[options_pb2.resource]
    if not options.collection:
        raise TypeError(f"{resource.__name__}: {descriptor.full_name} lacks option (ashgrove.resource.v1.resource)")
    fields = fields_of(descriptor)
    spec = ResourceSpec(
        resource=resource,
        message=resource.message,
        noun=descriptor.name,
        singular=snake(descriptor.name),
        collection=options.collection,
        publishes=_told(options.publishes, fields),
        summarized=_told(options.audited_in_summary, fields),
        fields={name: f for name, f in fields.items() if name not in resource.computed},
        computed={
            name: _computed(f, resource.computed[name]) for name, f in fields.items() if name in resource.computed
        },
        relationships={r.name: r for r in (_relationship(descriptor, declared) for declared in options.relationships)},
        storage=resource.storage,
        policies=tuple(resource.policies),
        field_policies=tuple(resource.field_policies),
        untold=frozenset(resource.untold),
        states=_life(resource.states, fields),
    )
    _COMPILED.setdefault(descriptor.full_name, spec)
    return spec


def _told(publishes: Sequence[Any], fields: Mapping[str, Field]) -> frozenset[str]:
    """Returns what is told of a resource, such as `created`."""
    publications = options_pb2.ResourceOptions.Publication
    names = {publications.Name(each).removeprefix("PUBLICATION_").lower() for each in publishes}
    if "every" in names:
        putting_away = ("archived", "unarchived", "purged") if "archived_at" in fields else ()
        return frozenset({"created", "updated", *putting_away})
    return frozenset(names)


def _relationship(descriptor: Any, declared: Any) -> Relationship:
    """Returns a declared relationship; what it leaves out follows from its key: `program_id` leads to a `program`."""
    name = declared.name or declared.key.removesuffix("_id")
    noun = declared.resource or "".join(word.capitalize() for word in name.split("_"))
    return Relationship(name, f"{descriptor.file.package}.{noun}", declared.key, declared.many)


def _life(declared: StateMachine | None, fields: Mapping[str, Field]) -> StateMachine | None:
    machine = declared or (archiving("Update") if {"archived_at", "status"} <= fields.keys() else None)
    field = fields.get(machine.field) if machine else None
    return machine.within(enum_names(field)) if machine and field and field.kind is Kind.ENUM else machine


def enum_names(field: Field) -> list[str]:
    """Returns the full names of the values of an enum field, in the order of the proto."""
    enum = field.descriptor.enum_type
    return [str(value.name) for value in enum.values] if enum else []


def _computed(field: Field, formula: Any) -> Field:
    # An `optional` field is absent while nobody asked for it, even where its formula always has a value.
    return replace(field, computed=True, nullable=field.nullable and not formula.always)


__all__ = ["Field", "Kind", "Relationship", "ResourceSpec", "spec_of"]
