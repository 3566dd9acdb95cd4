"""Every public RPC, from the descriptors: called over gRPC or REST, answered as one kind of answer."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from threading import Timer
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import urlopen

import grpc
from ashgrove.resource.v1 import options_pb2
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message

from gateway.envoy.render import descriptors
from tests.e2e.api import Api

_PATIENCE = 0.4  # seconds for a stream that has nothing to say
_FRAMES = 20


@dataclass(frozen=True)
class Answer:
    """What a caller was told: an HTTP or gRPC code and every byte beside it."""

    code: str
    text: str


@dataclass(frozen=True)
class Rpc:
    """One public RPC."""

    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.descriptor.name)

    @property
    def request(self) -> type[Message]:
        """What it is asked with."""
        return message_factory.GetMessageClass(self.descriptor.input_type)

    @property
    def route(self) -> str:
        """Its path over REST."""
        route = self.descriptor.GetOptions().Extensions[annotations_pb2.http]
        return str(getattr(route, route.WhichOneof("pattern")))

    @property
    def ends_something(self) -> bool:
        """Whether doing it in earnest would take something from its owner."""
        return self.name.startswith(("Archive", "Cancel", "Pause", "Purge", "Revoke"))

    def grpc(self, channel: grpc.Channel, api: Api, asked: Message, **headers: str) -> Answer:
        """Calls it by its stub's path."""
        answers = message_factory.GetMessageClass(self.descriptor.output_type)
        path = f"/{self.descriptor.containing_service.full_name}/{self.name}"
        streams = self.descriptor.server_streaming
        call: Any = (channel.unary_stream if streams else channel.unary_unary)(
            path, request_serializer=type(asked).SerializeToString, response_deserializer=answers.FromString
        )
        metadata = [*api.metadata, *headers.items()]
        try:
            if not streams:
                return Answer("OK", _shown(call(asked, metadata=metadata, timeout=60)))
            return Answer("OK", _first(call(asked, metadata=metadata, timeout=60)))
        except grpc.RpcError as refused:
            trailing = dict(refused.trailing_metadata() or ())
            return Answer(refused.code().name, f"{refused.details()} {trailing.get('grpc-status-details-bin', b'')!r}")

    def rest(self, api: Api, asked: Message) -> Answer | None:
        """Calls it by its HTTP route; None where JSON could not say what is asked."""
        route = self.descriptor.GetOptions().Extensions[annotations_pb2.http]
        verb = route.WhichOneof("pattern")
        said: dict[str, Any] = json_format.MessageToDict(asked, preserving_proto_field_name=True)
        path = re.sub(r"\{([\w.]+)\}", lambda found: quote(str(_taken(said, found[1])), safe=""), self.route)
        if "//" in path or path.endswith("/") or "/:" in path:
            return None  # without an id in its place it is another route
        body = said if route.body == "*" else said.pop(route.body, {}) if route.body else None
        query = [] if route.body == "*" else list(_flat(said))
        if any(isinstance(value, dict) for _, value in query):
            return None
        request = api.request(verb.upper(), f"{path}?{urlencode(query, quote_via=quote)}", body)
        try:
            with urlopen(request, timeout=60) as told:
                if self.descriptor.server_streaming:  # it has begun, however long that took on a busy machine
                    told.fp.raw._sock.settimeout(_PATIENCE)
                return Answer("200", _read(told))
        except HTTPError as refused:
            with refused:
                return Answer(str(refused.code), refused.read().decode())


def public() -> list[Rpc]:
    """Returns every RPC with a route, of every service of every area."""
    files = FileDescriptorSet.FromString(descriptors().read_bytes()).file
    found = []
    for file in [f for f in files if f.service and f.name.startswith("ashgrove/")]:
        import_module(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
        described = descriptor_pool.Default().FindFileByName(file.name)
        found += [Rpc(m) for s in described.services_by_name.values() for m in s.methods if _routed(m)]
    return sorted(found, key=lambda rpc: rpc.descriptor.full_name)


def resource_nouns() -> dict[str, Any]:
    """Returns the descriptor of every resource that a public RPC answers with, by its noun."""
    found: dict[str, Any] = {}
    for rpc in public():
        _resources(rpc.descriptor.output_type, found)
        _resources(rpc.descriptor.input_type, found)
    return found


def _resources(descriptor: Any, found: dict[str, Any], depth: int = 2) -> None:
    if descriptor.GetOptions().Extensions[options_pb2.resource].collection:
        found[descriptor.name] = descriptor
    for field in descriptor.fields if depth else ():
        if field.message_type is not None:
            _resources(field.message_type, found, depth - 1)


def _routed(method: MethodDescriptor) -> bool:
    return bool(method.GetOptions().HasExtension(annotations_pb2.http))


def _shown(message: Message) -> str:
    return json_format.MessageToJson(message, preserving_proto_field_name=True)


def _first(frames: Any) -> str:
    told = []
    patience = Timer(_PATIENCE, frames.cancel)  # not gRPC's deadline: that ends a stream in more than one way
    patience.start()
    try:
        for frame in frames:
            told.append(_shown(frame))
            if len(told) == _FRAMES:
                frames.cancel()
                break
    except grpc.RpcError as ended:
        if ended.code() is not grpc.StatusCode.CANCELLED:
            raise
    finally:
        patience.cancel()
    return "\n".join(told)


def _read(told: Any) -> str:
    lines = []
    try:
        for line in told:
            lines.append(line.decode())
            if len(lines) == _FRAMES * 4:
                break
    except TimeoutError:
        pass
    return "".join(lines)


def _taken(said: dict[str, Any], path: str) -> Any:
    """Takes a value out of a request, since it stands in the path."""
    first, _, rest = path.partition(".")
    if rest:
        return _taken(said.get(first, {}), rest)
    return said.pop(first, "")


def _flat(said: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in said.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict) and not isinstance(value, list):
                yield from _flat(one, f"{above}{name}.")
            else:
                yield f"{above}{name}", json.dumps(one) if isinstance(one, bool) else one
