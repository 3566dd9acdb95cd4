"""JSON values on their way to and from the platform."""

import math
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pool import Default
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct, Value

_LARGEST = 2**53


def to_struct(values: Mapping[str, Any]) -> Struct:
    """Returns values as a Struct; raises ValueError naming what JSON cannot carry exactly."""
    for path, value in _leaves(values, ""):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{path} is {value}, which JSON cannot carry")
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _LARGEST:
            raise ValueError(f"{path} is beyond 2^53, which JSON numbers cannot carry exactly; send it as text")
    struct = Struct()
    struct.update(dict(values))
    return struct


def to_value(plain: Any) -> Value:
    """Returns one value as a protobuf Value."""
    return to_struct({"value": plain}).fields["value"]


def to_dict(struct: Struct) -> dict[str, Any]:
    """Returns a Struct as a dict, whole numbers as int."""
    return {name: _whole(value) for name, value in MessageToDict(struct).items()}


def numbered(enum: Any, word: str) -> Any:
    """Returns an enum's value by its word, in either case, none by no word; raises ValueError naming those known."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.DESCRIPTOR.name)
    name = f"{words}_{word or 'unspecified'}".upper()
    if name not in dict(enum.items()):
        known = [each[len(words) + 1 :].lower() for each, number in enum.items() if number]
        raise ValueError(f"{words.lower().replace('_', ' ')} must be one of {', '.join(known)}, not {word!r}")
    return enum.Value(name)


def unpacked(packed: Any) -> Message:
    """Returns what an Any holds; KeyError when its type is none of the platform's."""
    made: Message = GetMessageClass(Default().FindMessageTypeByName(packed.TypeName()))()
    packed.Unpack(made)
    return made


def to_plain(message: Message) -> dict[str, Any]:
    """Returns a message as JSON data with the names of the proto, whole numbers as int, as REST answers them."""
    plain: dict[str, Any] = _whole(MessageToDict(message, preserving_proto_field_name=True))
    return plain


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [leaf for k, v in value.items() for leaf in _leaves(v, f"{path}.{k}" if path else str(k))]
    if isinstance(value, (list, tuple)):
        return [leaf for i, v in enumerate(value) for leaf in _leaves(v, f"{path}[{i}]")]
    return [(path, value)]


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {k: _whole(v) for k, v in value.items()}
    return [_whole(v) for v in value] if isinstance(value, list) else value
