"""Counts of another service's rows, kept by its events: each is counted once, some seconds after it came to be."""

from collections.abc import Iterator, Mapping
from uuid import UUID

from ashgrove.event.v1.event_pb2 import Event

from framework.events.tail import Consumer, Source
from framework.resource import Registry, ResourceSpec, Rollup
from framework.storage.database import Transaction

_STEPS = {"created": 1, "snapshot": 1, "purged": -1}


class Counter:
    """Keeps all counts of one resource of another service; the consumer's cursor is what makes each count once."""

    def __init__(self, registry: Registry, source: str, resource: str) -> None:
        self.resource = resource
        self.kept = [
            (spec, name, one)
            for spec, name, one in rollups_of(registry)
            if (one.service, one.resource) == (source, resource)
        ]

    async def handle(self, tx: Transaction, event: Event) -> None:
        """Counts one more or one less; what names no row of ours changes nothing."""
        step = _STEPS.get(event.type.removeprefix(f"{self.resource}."))
        if step is None or event.resource_type != self.resource or event.outcome != "OK":
            return
        told = event.before if step < 0 else event.data
        for spec, name, one in self.kept:
            key = told.fields[one.key].string_value
            if key:
                await tx.execute(_ADD.format(table=spec.collection, column=name), _row(event, key) | {"step": step})

    async def clear(self, tx: Transaction) -> None:
        """Sets every count to nothing."""
        for spec, name, _ in self.kept:
            await tx.execute(f"UPDATE {spec.collection} SET {name} = 0 WHERE {name} <> 0")


_ADD = "UPDATE {table} SET {column} = {column} + %(step)s WHERE organization_id = %(organization)s AND id = %(id)s"


def _row(event: Event, key: str) -> dict[str, UUID]:
    return {"organization": UUID(event.organization_id), "id": UUID(key)}


def rollups_of(registry: Registry) -> Iterator[tuple[ResourceSpec, str, Rollup]]:
    """Yields every rollup that a service declares, with the field that holds it."""
    for spec in registry.specs.values():
        for name, one in spec.resource.rollups.items():
            yield spec, name, one


def counters(registry: Registry, sources: Mapping[str, Source]) -> list[Consumer]:
    """Returns who follows other services' feeds for a registry's rollups; `sources` are their feeds by name."""
    wanted = sorted({(one.service, one.resource) for _, _, one in rollups_of(registry)})
    made = [(source, resource, Counter(registry, source, resource)) for source, resource in wanted]
    return [
        Consumer(f"rollup:{source}.{resource}", sources[source], counter.handle, [resource], counter.clear)
        for source, resource, counter in made
    ]
