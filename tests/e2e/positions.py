"""Where a request can name something: every field that holds an id, at any depth, and a sound request around it."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ashgrove.resource.v1 import options_pb2
from google.protobuf import json_format
from google.protobuf.message import Message

from framework.resource.fields import snake
from tests.e2e.belongings import Belongings
from tests.e2e.rpcs import Rpc

Path = tuple[str, ...]
FUZZED: Counter[str] = Counter()
"""What the tenant walls were tried with in this run: RPCs, positions, calls."""
_DEEPEST = 4
# Ids that name no resource of the platform.
_CHOSEN = {("EvaluateProgram", ("evaluation_id",))}
# Ids that only the platform itself may name.
_RESERVED = {("EvaluateProgram", ("run_id",))}
_OTHER_IDS = {"request_id", "constraint_id"}


def positions(descriptor: Any, above: Path = (), seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yields the path of every field that may hold the id of a resource."""
    if len(above) > _DEEPEST or descriptor.full_name in seen or descriptor.full_name.startswith("google."):
        return
    for field in descriptor.fields:
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            yield from positions(field.message_type, (*above, field.name), seen | {descriptor.full_name})
        elif field.type == field.TYPE_STRING and _names(descriptor, field.name, nested=bool(above)):
            yield (*above, field.name)


def _names(message: Any, field: str, *, nested: bool) -> bool:
    if field in ("id", "ids"):  # inside what is no resource, such as a constraint, it is a name among its siblings
        return not nested or bool(message.GetOptions().Extensions[options_pb2.resource].collection)
    return field not in _OTHER_IDS and field.endswith(("_id", "_ids"))


def rpc_positions(rpc: Rpc) -> list[Path]:
    """Returns the positions of an RPC, but for ids that its caller makes up: every organization may choose the same."""
    return [path for path in positions(rpc.request.DESCRIPTOR) if (rpc.name, path) not in _CHOSEN]


def noun_of(rpc: Rpc, path: Path, nouns: Mapping[str, Any]) -> str:
    """Returns what kind of resource a position names: by the field's name, else by its message's, else by the route."""
    *above, field = path
    if field not in ("id", "ids"):
        named = _camel(field.removesuffix("s").removesuffix("_id"))
        ending = [noun for noun in nouns if noun.endswith(named) or named.endswith(noun)]
        return max(ending, key=len, default="User" if named == "Owner" else named)
    if above:
        return _camel(above[-1])
    collections = {d.GetOptions().Extensions[options_pb2.resource].collection: noun for noun, d in nouns.items()}
    (segment,) = re.findall(r"^/v1/(\w+)", rpc.route)
    return collections.get(snake(segment), "Program")


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def sound(rpc: Rpc, mine: Belongings, nouns: Mapping[str, Any]) -> Message:
    """Returns a request in the caller's own name: own ids everywhere, own resources as bodies, tried and not done."""
    asked: Any = rpc.request()
    for field in asked.DESCRIPTOR.fields:
        filling = mine.fillings.get(f"{rpc.name}.{field.name}", mine.fillings.get(field.name))
        if filling is not None:
            json_format.ParseDict({field.name: filling}, asked)
        elif field.message_type is not None and field.message_type.name in mine.found:
            body = mine.body(field.message_type.name, new="Create" in rpc.name)
            target = getattr(asked, field.name)
            json_format.ParseDict(body, target.add() if field.is_repeated else target, ignore_unknown_fields=True)
    for path in rpc_positions(rpc):
        if len(path) == 1 and (rpc.name, path) not in _RESERVED and not path[0].startswith("parent_"):
            put(asked, path, mine.id(noun_of(rpc, path, nouns)))
    if "validate_only" in asked.DESCRIPTOR.fields_by_name:
        asked.validate_only = True
    return asked


def put(asked: Message, path: Path, value: str) -> None:
    """Puts a value into a position, making what stands above it."""
    name, *rest = path
    field = asked.DESCRIPTOR.fields_by_name[name]
    if not rest:
        if field.is_repeated:
            del getattr(asked, name)[:]
            getattr(asked, name).append(value)
        else:
            setattr(asked, name, value)
        return
    part = getattr(asked, name)
    if field.is_repeated:
        part = part[0] if len(part) else part.add()
    put(part, tuple(rest), value)
