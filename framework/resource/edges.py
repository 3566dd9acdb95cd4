"""What must hold of relationships, so that reads and filters can follow every one of them, and cheaply."""

import re
from collections import Counter
from collections.abc import Collection, Iterator

from ashgrove.resource.v1 import options_pb2

from framework.resource.fields import VIRTUAL, Kind
from framework.resource.spec import Relationship, ResourceSpec

_NAME = re.compile(r"[a-z][a-z0-9_]*")


def edge_faults(spec: ResourceSpec, registered: Collection[ResourceSpec]) -> Iterator[str]:
    """Yields what is wrong with the relationships of a resource of a service that has these resources."""
    taken = {*spec.fields, *spec.computed, *spec.storage.hidden, *VIRTUAL}
    targets = {other.message.DESCRIPTOR.full_name: other for other in registered}
    declared = spec.message.DESCRIPTOR.GetOptions().Extensions[options_pb2.resource].relationships
    for name, count in Counter(one.name or one.key.removesuffix("_id") for one in declared).items():
        if count > 1:
            yield f"{spec.noun}.{name}: {count} relationships have this name"
    if spec.relationships and "included" not in spec.message.DESCRIPTOR.fields_by_name:
        yield f"{spec.noun}.included: a resource with relationships needs it, for what reads include"
    for one in spec.relationships.values():
        place = f"{spec.noun}.{one.name}"
        if not _NAME.fullmatch(one.name):
            yield f"{place}: a relationship's name is in lower case, words joined by _"
        if one.name in taken:
            yield f"{place}: is a field or column already"
        target = targets.get(one.message)
        if target is None:
            yield f"{place}: {one.message} is no resource of this service"
            continue
        if target.tenant is not spec.tenant:
            yield f"{place}: {target.noun} and {spec.noun} must both belong to tenants, or both to none"
        yield from _key_faults(place, one, target if one.many else spec)


def _key_faults(place: str, one: Relationship, holder: ResourceSpec) -> Iterator[str]:
    key = holder.fields.get(one.key)
    if key is None or key.kind is not Kind.UUID or key.sensitive:
        yield f"{place}: {holder.noun} has no field {one.key} that holds an id"
    elif one.many and not indexed(holder, one.key):
        yield f"{place}: {holder.noun} needs an index that begins with {one.key}, or each read is a scan"


def indexed(holder: ResourceSpec, key: str) -> bool:
    """Says whether an index over all rows begins with a column, so that its rows are found without a scan."""
    # Of what can be archived, unique indexes hold only the rows in use.
    whole = [*holder.storage.indexes, *([] if holder.archivable else holder.storage.unique)]
    return any(columns[0] == key for columns in whole)
