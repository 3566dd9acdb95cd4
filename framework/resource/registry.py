"""The resources of one service and the RPCs that act on them, verified against each other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from ashgrove.resource.v1 import options_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from framework.call import Actor
from framework.resource.actions import Action, Then, action_faults, collected, silent
from framework.resource.declaration import Resource
from framework.resource.fields import Kind
from framework.resource.spec import ResourceSpec, enum_names, spec_of
from framework.resource.states import faults as state_faults
from framework.resource.verifying import request_faults, spec_faults

# What the engine does by itself: each verb with the name of its RPC.
STANDARD: Mapping[str, str] = {
    "Get": "Get{noun}",
    "List": "List{plural}",
    "Create": "Create{noun}",
    "Upsert": "Upsert{noun}",
    "Update": "Update{noun}",
    "Archive": "Archive{noun}",
    "Unarchive": "Unarchive{noun}",
    "Purge": "Purge{noun}",
    "BatchCreate": "BatchCreate{plural}",
    "TestPermissions": "Test{noun}Permissions",
    "ExplainAccess": "Explain{noun}Access",
    "Aggregate": "Aggregate{plural}",
    "Export": "Export{plural}",
    "Watch": "Watch{plural}",
}
# What is a verb in another shape: who may do the one may do the other, to the same rows; no policy has to speak of it.
RULED_BY = {"Aggregate": "List", "Export": "List", "Watch": "List", "BatchCreate": "Create", "Upsert": "Create"}
# How the names of RPCs begin that change nothing.
_READS = ("Get", "List", "Watch", "Stream", "Aggregate", "Export", "Test", "Explain", "Validate", "Compare", "Diff")
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
    gathers: bool = False
    """Whether it is asked with a stream; its action is given the first request, and an iterator over the others."""
    then: Then | None = None
    """What follows a custom act once it is committed."""

    @cached_property
    def rehearses(self) -> bool:
        """Whether it can be tried without being done."""
        return self._repeatable and "validate_only" in self.request_class.DESCRIPTOR.fields_by_name

    @cached_property
    def replays(self) -> bool:
        """Whether it can be sent twice and is done once."""
        return self._repeatable and "request_id" in self.request_class.DESCRIPTOR.fields_by_name

    @property
    def _repeatable(self) -> bool:
        return not (self.streaming or self.gathers)

    @cached_property
    def reads(self) -> bool:
        """Whether it only reads."""
        return is_read(self.name)

    def covered_for(self, actor: Actor) -> bool:
        """Whether the bound of the actor's grant or key, if there is one, covers it."""
        return actor.covers(self.name, self.resource.collection, reads=self.reads)

    @property
    def ruled_by(self) -> str:
        """The verb whose policies decide."""
        return RULED_BY.get(self.verb, self.verb)

    @cached_property
    def bodies(self) -> tuple[str, ...]:
        """The request's fields that hold resources."""
        return tuple(f.name for f in self.request_class.DESCRIPTOR.fields if _is_resource(f))

    def acts_on(self, spec: ResourceSpec) -> bool:
        """Whether it acts on one row of a resource: a row of its own, or one it names whose policies speak of it."""
        named = self.request_class.DESCRIPTOR.fields_by_name
        if self.verb in ASKING:
            return False
        if self.resource is spec and ("id" in named or self.verb == "Update"):
            return True
        spoken = any(one.speaks_of(self.verb) for one in spec.policies)
        return not self.standard and f"{spec.singular}_id" in named and spoken

    @property
    def standard(self) -> bool:
        """Whether the engine does it by itself."""
        return self.handler is None


def is_read(rpc: str) -> bool:
    """Tells by an RPC's name whether it only reads."""
    return rpc.startswith(_READS)


class Registry:
    """The resources of a service and its public RPCs; building one verifies that the two halves agree.

    `actions` names the modules whose functions do what is no standard method; those beside a resource need no mention.
    Raises TypeError with every complaint at once, each naming its place.
    """

    def __init__(
        self,
        service: str,
        resources: Sequence[type[Resource[Any]]],
        *served: ServiceDescriptor,
        actions: Sequence[ModuleType] = (),
    ) -> None:
        self.service = service
        self.served = served
        self.specs: Mapping[type[Resource[Any]], ResourceSpec] = {r: spec_of(r) for r in resources}
        every, rpcs = self.specs.values(), {m.name: m for one in served for m in one.methods}
        complaints = [c for spec in every for c in spec_faults(spec, every)]
        found = collected(resources, actions)
        complaints += [*silent(actions), *action_faults(found, resources, rpcs)]
        self._actions: Mapping[str, Action] = {one.rpc: one for one in found if one.resource in self.specs}
        methods = [self._method(m, complaints) for one in served for m in one.methods]
        self.methods: Mapping[str, MethodSpec] = {m.path: m for m in methods if m is not None}
        self._by_name = {m.name: m for m in self.methods.values()}
        complaints += self._named_twice()
        complaints += [c for spec in every for c in (*self._misled(spec), *self._misargued(spec))]
        if complaints:
            raise TypeError("the declarations do not hold:\n  " + "\n  ".join(complaints))

    def method(self, rpc: str) -> MethodSpec:
        """Returns an RPC by its name, whichever of the gRPC services has it; raises KeyError if none has."""
        return self._by_name[rpc]

    def by_message(self, full_name: str) -> ResourceSpec:
        """Returns the spec of a resource message, by its full proto name."""
        return next(s for s in self.specs.values() if s.message.DESCRIPTOR.full_name == full_name)

    def actions(self, spec: ResourceSpec) -> dict[str, str]:
        """Returns what can be done to a resource: each RPC with the verb that policies know it by."""
        return {m.name: m.ruled_by for m in self.methods.values() if m.resource is spec and m.verb not in ASKING}

    def acting_on(self, spec: ResourceSpec) -> Mapping[str, MethodSpec]:
        """Returns the RPCs that act on one row of a resource, by name."""
        return self._acting[spec]

    @cached_property
    def _acting(self) -> dict[ResourceSpec, dict[str, MethodSpec]]:
        methods = self.methods.values()
        return {spec: {m.name: m for m in methods if m.acts_on(spec)} for spec in self.specs.values()}

    def _named_twice(self) -> Iterator[str]:
        """Yields the RPCs that two gRPC services have: people, policies and scopes name them without their service."""
        for method in self.methods.values():
            if self._by_name[method.name] is not method:
                yield f"{method.path}: another service has an RPC of that name"

    def _misargued(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields what policies ask of requests that have no such field."""
        own = [method for method in self.methods.values() if method.resource is spec]
        for one in spec.policies:
            requests = [method.request_class.DESCRIPTOR for method in own if one.applies(method.ruled_by)]
            yield from (f"{spec.noun}: {fault}" for fault in one.misargued(requests))

    def _misled(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields what is wrong with the state machine that a resource declares."""
        if any(verb == "Archive" for verb in self.actions(spec).values()) and not (spec.archivable and spec.states):
            yield f"{spec.noun}: Archive needs the field archived_at, and a status with a value ARCHIVED"
        machine = spec.resource.states
        if machine is None or spec.states is None:
            return
        field = spec.fields.get(machine.field)
        if field is None or field.kind is not Kind.ENUM or not field.output_only:
            yield f"{spec.noun}.{machine.field}: a state must be an enum, and OUTPUT_ONLY: verbs move it"
            return
        values = enum_names(field)
        first = spec.storage.initial.get(field.name)
        initial = values[first] if isinstance(first, int) else first or spec.states.prefix + spec.states.states[0]
        verbs = [method.verb for method in self.methods.values() if method.acts_on(spec)]
        for fault in state_faults(spec.states, values, verbs, initial):
            yield f"{spec.noun}.{field.name}: {fault}"

    def _method(self, descriptor: MethodDescriptor, complaints: list[str]) -> MethodSpec | None:
        action = self._actions.get(descriptor.name)
        found = (self.specs[action.resource], action.rpc) if action else self._standard(descriptor.name)
        if found is None:
            name = f"{descriptor.containing_service.name}.{descriptor.name}"
            complaints.append(f"{name}: nothing does it; write an @action, and name its module among the actions")
            return None
        spec, verb = found
        ruling = RULED_BY.get(verb, verb)
        if verb not in ASKING and not any(p.speaks_of(ruling) for p in spec.policies):
            complaints.append(f"{spec.noun}: no policy speaks of {ruling}, so nobody could {verb}")
        if verb == "Watch" and not spec.publishes:
            complaints.append(f"{spec.noun}: publishes nothing, so there is nothing to watch")
        if action is None:
            complaints += request_faults(spec, verb, descriptor)
        if descriptor.client_streaming and (action is None or descriptor.server_streaming):
            complaints.append(f"{descriptor.name}: only an action that answers once may be asked with a stream")
        return MethodSpec(
            descriptor.name,
            f"/{descriptor.containing_service.full_name}/{descriptor.name}",
            message_factory.GetMessageClass(descriptor.input_type),
            message_factory.GetMessageClass(descriptor.output_type),
            descriptor.server_streaming,
            spec,
            verb,
            action.function if action else None,
            descriptor.client_streaming,
            action.then if action else None,
        )

    def _standard(self, rpc: str) -> tuple[ResourceSpec, str] | None:
        for spec in self.specs.values():
            for verb, name in STANDARD.items():
                if rpc == name.format(noun=spec.noun, plural=spec.plural):
                    return spec, verb
        return None


def _is_resource(field: Any) -> bool:
    options = field.message_type.GetOptions().Extensions[options_pb2.resource] if field.message_type else None
    return options is not None and bool(options.collection)
