"""What every declared resource with a Create keeps, whoever declares it: the subject of one parametrised suite."""

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from framework.call import Actor
from framework.resource import Kind, MethodSpec, Resource, ResourceSpec, spec_of
from framework.resource.fields import Field
from framework.testing.workbench import Workbench

Make = Callable[[Workbench, int], Awaitable[Any]]


@dataclass(frozen=True)
class Subject:
    """A resource under test: how to make sound, mutually different messages of it, and who may write it."""

    resource: type[Resource[Any]]
    make: Make | None = None
    """None where its bounds say enough, and what it must refer to can be made alike."""
    as_admin: bool = False
    derived: Sequence[str] = ()
    """The fields that follow from others, so that a masked update changes them too."""
    acts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each custom RPC on one resource needs besides its id, where the id is not enough."""

    @property
    def spec(self) -> ResourceSpec:
        """The compiled spec."""
        return spec_of(self.resource)

    def writer(self, bench: Workbench) -> Actor:
        """Returns who writes the resource."""
        return bench.admin if self.as_admin else bench.user


class Driver:
    """Does the standard methods of one resource on a workbench."""

    def __init__(self, bench: Workbench, subject: Subject) -> None:
        self.bench = bench
        self.subject = subject
        self.spec = subject.spec
        self.writer = subject.writer(bench)

    def method(self, verb: str) -> MethodSpec | None:
        """Returns the resource's standard method, None when it has none of that name."""
        methods = self.bench.registry.methods.values()
        return next((m for m in methods if m.resource is self.spec and m.standard and m.verb == verb), None)

    async def call(self, verb: str, actor: Actor | None = None, **fields: Any) -> Any:
        """Does a standard method with these request fields."""
        method = self.method(verb)
        assert method is not None, f"{self.spec.noun} has no {verb}"
        return await self.bench.do(method.name, method.request_class(**fields), actor or self.writer)

    async def sound(self, number: int = 0) -> Any:
        """Returns a message that Create takes."""
        assert self.subject.make is not None, "the suite's subjects say how they are made"
        return await self.subject.make(self.bench, number)

    async def create(self, message: Any = None) -> Any:
        """Creates a resource."""
        return await self.call("Create", **{self.spec.singular: message or await self.sound()})

    async def update(self, message: Message, *paths: str, actor: Actor | None = None) -> Any:
        """Updates what a mask names."""
        fields: dict[str, Any] = {self.spec.singular: message}
        return await self.call("Update", actor, update_mask=FieldMask(paths=paths), **fields)

    async def walk(self, actor: Actor | None = None, **fields: Any) -> list[Any]:
        """Returns every row of a list, page by page."""
        rows: list[Any] = []
        token = ""
        while True:
            page = await self.call("List", actor, page_token=token, **fields)
            rows += getattr(page, self.spec.collection)
            token = page.next_page_token
            if not token:
                return rows

    def acts(self, identifier: str) -> list[tuple[MethodSpec, Message]]:
        """Returns every custom RPC that acts on one such resource, with a sound request for this one."""
        found = []
        for method in self.bench.registry.methods.values():
            # What an RPC acts on is its request's first field.
            name = method.request_class.DESCRIPTOR.fields[0].name if method.request_class.DESCRIPTOR.fields else ""
            own = name == "id" and method.resource is self.spec
            if not method.standard and (own or name == f"{self.spec.singular}_id"):
                more = self.subject.acts.get(method.name, {})
                found.append((method, method.request_class(**{name: identifier}, **more)))
        return found

    def mutable(self) -> list[Field]:
        """Returns the fields that clients may change."""
        return [f for f in self.spec.fields.values() if not f.output_only and not f.immutable]


def forged(one: Field, message: Any) -> Any:
    """Puts a value into a field that the message does not have there, and returns it."""
    if one.kind not in (Kind.TIMESTAMP, Kind.JSON):
        setattr(message, one.name, _FORGERIES[one.kind](one))
        return getattr(message, one.name)
    message.ClearField(one.name)
    value = getattr(message, one.name)
    if one.kind is Kind.TIMESTAMP:
        value.FromSeconds(77)
    elif one.descriptor.is_repeated:
        value.add()
    else:
        value.SetInParent()
    return value


def _last(one: Field) -> int:
    enum = one.descriptor.enum_type
    assert enum is not None
    return int(max(v.number for v in enum.values))


_FORGERIES: dict[Kind, Callable[[Field], Any]] = {
    Kind.UUID: lambda f: str(uuid.uuid4()),
    Kind.TEXT: lambda f: "forged",
    Kind.ENUM: _last,
    Kind.INTEGER: lambda f: 777,
    Kind.BIGINT: lambda f: 777,
    Kind.DOUBLE: lambda f: 777.0,
    Kind.BOOLEAN: lambda f: True,
}
