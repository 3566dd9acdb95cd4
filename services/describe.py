"""Prints the compiled spec of every resource on one page: `python -m services.describe`."""

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from google.api import annotations_pb2

from framework.resource import MethodSpec, Registry, Relationship, ResourceSpec, Tenancy
from framework.resource.fields import Field
from framework.storage.rows import named

SERVICES = ("auth", "program", "variables", "optimizer", "audit")
_FLAGS = ("required", "immutable", "output_only", "sensitive", "nullable", "comparable", "sortable")


def registries() -> list[Registry]:
    """Returns the verified declarations of every service."""
    found = [s for s in SERVICES if find_spec(f"services.{s}") and find_spec(f"services.{s}.registry")]
    return [import_module(f"services.{service}.registry").registry() for service in found]


def page() -> str:
    """Returns the whole page."""
    return "\n".join(line for registry in registries() for line in _service(registry)) + "\n"


def _service(registry: Registry) -> Iterator[str]:
    yield f"{registry.service}: {', '.join(served.full_name for served in registry.served)}"
    yield ""
    for spec in registry.specs.values():
        yield from _resource(registry, spec)
        yield ""


def _resource(registry: Registry, spec: ResourceSpec) -> Iterator[str]:
    yield f"  {spec.noun}: {(spec.resource.__doc__ or '').splitlines()[0]}"
    yield f"    table {spec.collection}{_tenancy(spec)}"
    yield from (f"      {line}" for line in _storage(spec))
    yield "    fields"
    yield from (f"      {_field(field)}" for field in spec.fields.values())
    if spec.computed:
        yield "    computed"
    yield from (f"      {_field(field)} = {spec.formula(field.name)}" for field in spec.computed.values())
    if spec.relationships:
        yield "    relationships"
    yield from (f"      {_relationship(one)}" for one in spec.relationships.values())
    yield from _states(spec)
    yield "    methods"
    methods = [method for method in registry.methods.values() if method.resource is spec]
    yield from (f"      {_method(registry, method)}" for method in methods)
    yield "    policies"
    yield from (f"      {one}" for one in spec.policies)
    if spec.field_policies:
        yield "    field policies"
        yield from (f"      {one}" for one in spec.field_policies)
    yield f"    events {', '.join(f'{spec.singular}.{what}' for what in sorted(spec.publishes)) or 'none'}"
    if spec.told:
        yield f"    audit {', '.join(_audited(spec))}"


def _audited(spec: ResourceSpec) -> Iterator[str]:
    for what in sorted(spec.told):
        yield f"{spec.singular}.{what}: {'SUMMARY' if what in spec.summarized else 'EACH'}"


def _states(spec: ResourceSpec) -> Iterator[str]:
    machine = spec.states
    if machine is None:
        return
    yield f"    states of {machine.field}"
    for state in machine.states:
        ways = [
            f"{verb} → {' or '.join(targets)}" if targets != [state] else verb for verb, targets in machine.ways(state)
        ]
        yield f"      {state:<14}{', '.join(ways) or 'the end'}"


def _tenancy(spec: ResourceSpec) -> str:
    marks = ["of the platform, without a tenant"] if spec.storage.tenancy is Tenancy.GLOBAL else []
    marks += ["append-only"] if spec.storage.append_only else []
    return f" ({', '.join(marks)})" if marks else ""


def _storage(spec: ResourceSpec) -> Iterator[str]:
    storage = spec.storage
    if storage.owner:
        yield f"owner {storage.owner}"
    for columns in storage.unique:
        yield f"unique {', '.join(columns)}{' while unarchived' if spec.archivable else ''}"
    for columns in storage.indexes:
        yield f"index {', '.join(columns)}"
    if storage.content:
        yield f"revisions of {', '.join(storage.content)}"
    for name, target in storage.references.items():
        yield f"{name} refers to {target}"
    for name, kind in storage.hidden.items():
        yield f"hidden {name} {kind}"
    for name, counted in spec.resource.rollups.items():
        yield f"{name} counts {counted.service}'s {counted.resource} rows by their {counted.key}"
    if storage.droppable:
        yield f"lets go month by month: {', '.join(storage.droppable)}"
    for name, value in named(spec, storage.initial).items():
        yield f"initially {name} = {value}"


def _field(field: Field) -> str:
    flags = " ".join(flag.replace("_", " ") for flag in _FLAGS if getattr(field, flag))
    return f"{field.name:<28}{field.kind.value:<18}{flags}".rstrip()


def _relationship(one: Relationship) -> str:
    leads = f"many {one.target.noun} by their {one.key}" if one.many else f"one {one.target.noun} by {one.key}"
    return f"{one.name:<28}{leads}"


def _method(registry: Registry, method: MethodSpec) -> str:
    return f"{method.name:<29} {_how(method):<20}{_route(registry, method)}".rstrip()


def _how(method: MethodSpec) -> str:
    streams = " stream" if method.streaming else " upload" if method.gathers else ""
    return ("standard" if method.standard else "action") + streams


def _route(registry: Registry, method: MethodSpec) -> str:
    served, _, rpc = method.path.strip("/").rpartition("/")
    declared = next(one for one in registry.served if one.full_name == served).methods_by_name[rpc]
    rule = declared.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return f"{verb.upper():<6} {getattr(rule, verb)}" if verb else ""


if __name__ == "__main__":
    print(page(), end="")
