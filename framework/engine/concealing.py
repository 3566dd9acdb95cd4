"""The last gate of an answer: what writes and custom actions give back loses what field policies keep.

Standard reads never fetch it; an action works on whole rows, and may put one anywhere into its answer.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from sqlalchemy import select

from framework.engine.calls import Call
from framework.engine.withholding import bounded, unshown, verdicts
from framework.policy import Guard, guard_of
from framework.resource import MethodSpec, Registry, ResourceSpec
from framework.resource.nesting import holds, messages_in
from framework.storage import table_of
from framework.storage.tables import compiled


def conceals(call: Call, method: MethodSpec) -> bool:
    """Says whether answers may hold what field policies keep from somebody: a stream asks once, for all its frames."""
    return not (method.standard and method.reads) and bool(_guarded_in(call.engine.registry, method.response_class))


async def concealed(call: Call, method: MethodSpec, answer: Any) -> Any:
    """Returns an answer without the fields that its resources' field policies keep from the caller."""
    if not conceals(call, method):
        return answer
    for spec in _guarded_in(call.engine.registry, method.response_class):
        guard = guard_of(spec, call.actor)
        found = list(_of_type(answer, spec.message.DESCRIPTOR.full_name)) if guard else []
        told = await _verdicts(call, spec, guard, [one.id for one in found]) if found and guard.dependent else {}
        for one in found:
            # A row that is no more, or that nobody may look up, shows nothing that depends on it.
            bounded(spec, guard, one, told.get(one.id) or unshown(guard))
    return answer


async def _verdicts(call: Call, spec: ResourceSpec, guard: Guard, ids: list[str]) -> dict[str, Any]:
    table = table_of(spec)
    query = select(table.c.id, *verdicts(guard, call.actor, table)).where(table.c.id.in_([UUID(i) for i in ids if i]))
    return {str(row["id"]): row for row in await call.reads().fetch(*compiled(query))}


def _guarded_in(registry: Registry, response: type[Message]) -> tuple[ResourceSpec, ...]:
    guarded = [spec for spec in registry.specs.values() if spec.field_policies]
    return tuple(spec for spec in guarded if _leads_to(response.DESCRIPTOR, spec.message.DESCRIPTOR.full_name))


@cache
def _leads_to(descriptor: Any, full_name: str) -> bool:
    """Says whether a message is of a type, or can hold one that is."""

    def meant(field: FieldDescriptor) -> bool:
        return field.message_type is not None and field.message_type.full_name == full_name

    return descriptor.full_name == full_name or holds(descriptor, meant)


def _of_type(message: Any, full_name: str) -> Iterator[Any]:
    if message.DESCRIPTOR.full_name == full_name:
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None and _leads_to(field.message_type, full_name):
            for one in messages_in(field, value):
                yield from _of_type(one, full_name)
