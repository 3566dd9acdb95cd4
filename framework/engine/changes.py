"""What events say happened to each resource: several changes become one, and what it was before stays known."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ashgrove.event.v1.event_pb2 import Event

from framework.plain import plain_struct

_TOLD = ("created", "updated", "archived", "unarchived", "purged")


@dataclass
class Change:
    """All that a batch of events tells of one resource."""

    resource_type: str
    id: str
    what: str
    sequence: int
    paths: set[str] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)

    @cached_property
    def images(self) -> list[Mapping[str, Any]]:
        """The resource before and after each event, as far as events tell: what it takes to say who could see it."""
        return [image for event in self.events for image in _images(event)]


def coalesced(events: Iterable[Event]) -> list[Change]:
    """Returns one change for each resource, in the order of their latest events; refusals and sign-ins are none."""
    changes: dict[tuple[str, str], Change] = {}
    for event in events:
        what = event.type.removeprefix(f"{event.resource_type}.")
        if what not in _TOLD or not event.resource_id:
            continue
        key = (event.resource_type, event.resource_id)
        change = changes.pop(key, None) or Change(*key, what, 0)
        change.what, change.sequence = _together(change.what, what), event.sequence
        change.paths.update(event.changed_paths)
        change.events.append(event)
        changes[key] = change  # last, where its latest event stands
    return list(changes.values())


def _together(before: str, now: str) -> str:
    """A new one stays new and moving in and out of the archive outweighs other changes."""
    if before == "created" and now != "purged":
        return before
    return before if now == "updated" else now


def _images(event: Event) -> list[Mapping[str, Any]]:
    what = event.type.removeprefix(f"{event.resource_type}.")
    key = {"id": event.resource_id, "organization_id": event.organization_id or None}
    data, before = plain_struct(event.data), plain_struct(event.before)
    if what == "purged":
        return [before | data | key]
    after = data | key
    if what == "created":
        return [after]
    kept = {name: value for name, value in after.items() if name not in event.changed_paths}
    return [kept | before | key, after]
