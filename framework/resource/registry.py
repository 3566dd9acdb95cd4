"""The resources of one service and the RPCs that act on them, verified against each other."""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from framework.call import Actor
from framework.resource.declaration import Resource
from framework.resource.edges import edge_faults
from framework.resource.spec import ResourceSpec, spec_of

# What the engine does by itself: each verb with the name of its RPC.
STANDARD: Mapping[str, str] = {
    "Get": "Get{noun}",
    "List": "List{plural}",
    "Create": "Create{noun}",
    "Update": "Update{noun}",
    "Archive": "Archive{noun}",
    "TestPermissions": "Test{noun}Permissions",
    "ExplainAccess": "Explain{noun}Access",
    "Aggregate": "Aggregate{plural}",
}
# What is a list in another shape: who may list may do these, to the same rows; no policy has to speak of them.
LISTING = {"Aggregate": "List"}
# How the names of RPCs begin that change nothing.
_READS = ("Get", "List", "Watch", "Aggregate", "Export", "Test", "Explain", "Validate", "Compare", "Diff")
# Questions about permissions; who may ask them is the framework's matter, not that of a resource's policies.
ASKING = ("TestPermissions", "ExplainAccess")


@dataclass(frozen=True)
class MethodSpec:
    """One RPC: its messages, the resource it acts on and how; `verb` says what is done."""

    name: str
    path: str
    request_class: type[Message]
    response_class: type[Message]
    streaming: bool
    resource: ResourceSpec
    verb: str
    handler: Callable[..., Any] | None

    @cached_property
    def rehearses(self) -> bool:
        """Whether it can be tried without being done."""
        return not self.streaming and "validate_only" in self.request_class.DESCRIPTOR.fields_by_name

    @cached_property
    def replays(self) -> bool:
        """Whether it can be sent twice and is done once."""
        return not self.streaming and "request_id" in self.request_class.DESCRIPTOR.fields_by_name

    def covered_for(self, actor: Actor) -> bool:
        """Whether the bound of the actor's grant or key, if there is one, covers it."""
        return actor.covers(self.name, self.resource.collection, reads=is_read(self.name))

    @property
    def ruled_by(self) -> str:
        """The verb whose policies decide."""
        return LISTING.get(self.verb, self.verb)

    @property
    def standard(self) -> bool:
        """Whether the engine does it by itself."""
        return self.handler is None


def is_read(rpc: str) -> bool:
    """Tells by an RPC's name whether it only reads."""
    return rpc.startswith(_READS)


class Registry:
    """The resources and public RPCs of a service; building one verifies that the two halves agree.

    Raises TypeError with every complaint at once, each naming resource and field.
    """

    def __init__(self, service: str, resources: Sequence[type[Resource[Any]]], descriptor: ServiceDescriptor) -> None:
        self.service = service
        self.descriptor = descriptor
        self.specs: Mapping[type[Resource[Any]], ResourceSpec] = {r: spec_of(r) for r in resources}
        every = self.specs.values()
        complaints = [c for spec in every for c in _faults(spec, every)]
        methods = [self._method(m, complaints) for m in descriptor.methods]
        if complaints:
            raise TypeError("the declarations do not hold:\n  " + "\n  ".join(complaints))
        self.methods: Mapping[str, MethodSpec] = {m.path: m for m in methods if m is not None}

    def by_message(self, full_name: str) -> ResourceSpec:
        """Returns the spec of a resource message, by its full proto name."""
        return next(s for s in self.specs.values() if s.message.DESCRIPTOR.full_name == full_name)

    def actions(self, spec: ResourceSpec) -> dict[str, str]:
        """Returns what can be done to a resource: each RPC with the verb that policies know it by."""
        return {m.name: m.ruled_by for m in self.methods.values() if m.resource is spec and m.verb not in ASKING}

    def _method(self, descriptor: MethodDescriptor, complaints: list[str]) -> MethodSpec | None:
        found = self._custom(descriptor.name) or self._standard(descriptor.name)
        if found is None:
            complaints.append(f"{self.descriptor.name}.{descriptor.name}: no resource does it; write an @action")
            return None
        spec, verb, handler = found
        ruling = LISTING.get(verb, verb)
        if verb not in ASKING and not any(p.speaks_of(ruling) for p in spec.policies):
            complaints.append(f"{spec.noun}: no policy speaks of {ruling}, so nobody could {verb}")
        return MethodSpec(
            descriptor.name,
            f"/{self.descriptor.full_name}/{descriptor.name}",
            message_factory.GetMessageClass(descriptor.input_type),
            message_factory.GetMessageClass(descriptor.output_type),
            descriptor.server_streaming,
            spec,
            verb,
            handler,
        )

    def _custom(self, rpc: str) -> tuple[ResourceSpec, str, Callable[..., Any]] | None:
        for resource, spec in self.specs.items():
            for _, function in inspect.getmembers(resource, inspect.isfunction):
                if getattr(function, "__ashgrove_rpc__", None) == rpc:
                    return spec, rpc, getattr(resource(), function.__name__)
        return None

    def _standard(self, rpc: str) -> tuple[ResourceSpec, str, None] | None:
        for spec in self.specs.values():
            plural = "".join(word.capitalize() for word in spec.collection.split("_"))
            for verb, name in STANDARD.items():
                if rpc == name.format(noun=spec.noun, plural=plural):
                    return spec, verb, None
        return None


def _faults(spec: ResourceSpec, registered: Collection[ResourceSpec]) -> Iterator[str]:
    """Yields every disagreement between a resource's declaration and its message, those of its service being known."""
    # Formulas and policies follow relationships, so they are judged where those are sound.
    yield from list(edge_faults(spec, registered)) or [*_miscomputed(spec), *_misruled(spec)]
    known = {*spec.fields, *spec.storage.hidden}
    storage = spec.storage
    named = [("unique", n) for group in storage.unique for n in group]
    named += [("indexes", n) for group in storage.indexes for n in group]
    named += [("content", n) for n in storage.content] + [("references", n) for n in storage.references]
    named += [("initial", n) for n in storage.initial] + [("owner", storage.owner or "id")]
    for place, name in named:
        if name not in known:
            yield f"{spec.noun}: {place} names {name}, which is neither a field nor a hidden column"
    for name in storage.hidden.keys() & spec.fields.keys():
        yield f"{spec.noun}: hidden column {name} is a public field"
    if storage.content and not {"revision", "content_hash"} <= spec.fields.keys():
        yield f"{spec.noun}: content needs the fields revision and content_hash"
    for derived in ("created_at", "updated_at", "revision", "content_hash", storage.owner or "id"):
        if derived in spec.fields and not spec.fields[derived].output_only:
            yield f"{spec.noun}.{derived}: must be OUTPUT_ONLY, since the server computes it"
    if not spec.policies:
        yield f"{spec.noun}: no policies"


def _misruled(spec: ResourceSpec) -> Iterator[str]:
    for one in (*spec.policies, *spec.field_policies):
        yield from (f"{spec.noun}: {fault}" for fault in one.faults(spec))


def _miscomputed(spec: ResourceSpec) -> Iterator[str]:
    for name in spec.resource.computed:
        field = spec.computed.get(name)
        if field is None:
            yield f"{spec.noun}.{name}: is computed and no field of the message"
        elif not field.output_only:
            yield f"{spec.noun}.{name}: must be OUTPUT_ONLY, since a formula computes it"
        else:
            yield from (f"{spec.noun}.{name}: {fault}" for fault in spec.formula(name).faults(field, spec))
        if name in spec.storage.hidden:
            yield f"{spec.noun}.{name}: is computed and has a hidden column"
