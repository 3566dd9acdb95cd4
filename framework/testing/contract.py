"""What every declared resource with a Create keeps, whoever declares it: the subject of one parametrised suite."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
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
    make: Make
    as_admin: bool = False
    derived: Sequence[str] = ()
    """The fields that follow from others, so that a masked update changes them too."""

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
        return await self.subject.make(self.bench, number)

    async def create(self, message: Any = None) -> Any:
        """Creates a resource."""
        return await self.call("Create", **{self.spec.singular: message or await self.sound()})

    async def update(self, message: Message, *paths: str, actor: Actor | None = None) -> Any:
        """Updates what a mask names."""
        fields: dict[str, Any] = {self.spec.singular: message}
        return await self.call("Update", actor, update_mask=FieldMask(paths=paths), **fields)

    async def walk(self, **fields: Any) -> list[Any]:
        """Returns every row of a list, page by page."""
        rows: list[Any] = []
        token = ""
        while True:
            page = await self.call("List", page_token=token, **fields)
            rows += getattr(page, self.spec.collection)
            token = page.next_page_token
            if not token:
                return rows

    def mutable(self) -> list[Field]:
        """Returns the fields that clients may change."""
        return [f for f in self.spec.fields.values() if not f.output_only and not f.immutable]


def forged(field: Field, message: Any) -> Any:
    """Puts a value into a field that the message does not have there, and returns it."""
    value = _FORGERIES[field.kind](field)
    if field.kind in (Kind.TIMESTAMP, Kind.JSON):
        message.ClearField(field.name)
        if field.kind is Kind.TIMESTAMP:
            getattr(message, field.name).FromSeconds(77)
        elif field.descriptor.is_repeated:
            getattr(message, field.name).add()
        else:
            getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, value)
    return getattr(message, field.name)


def _last(field: Field) -> int:
    enum = field.descriptor.enum_type
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
    Kind.TIMESTAMP: lambda f: None,
    Kind.JSON: lambda f: None,
}
