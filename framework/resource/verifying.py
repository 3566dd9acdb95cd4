"""What must hold of declarations, requests and answers before a service serves: every complaint names its place."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from framework.resource.edges import edge_faults, indexed
from framework.resource.fields import Kind
from framework.resource.spec import ResourceSpec

# What the requests of standard methods must be able to say; `{noun}` is the resource itself.
_ASKED: Mapping[str, tuple[str, ...]] = {
    "Get": ("id",),
    "List": ("page_size", "page_token", "filter", "order_by"),
    "Create": ("{noun}",),
    "Upsert": ("{noun}",),
    "Update": ("{noun}", "update_mask"),
    "Archive": ("id", "etag"),
    "Unarchive": ("id", "etag"),
    "Purge": ("id", "etag"),
    "BatchCreate": ("{collection}",),
}
_STREAMS = ("Export", "Watch")
_ITSELF = ("Get", "Create", "Update", "Archive", "Unarchive")


def spec_faults(spec: ResourceSpec, registered: Collection[ResourceSpec]) -> Iterator[str]:
    """Yields every disagreement between a resource's declaration and its message, those of its service being known."""
    # Formulas and policies follow relationships, so they are judged where those are sound.
    yield from list(edge_faults(spec, registered)) or [*_miscomputed(spec), *_misruled(spec)]
    yield from _misplaced(spec)
    yield from _unkeyed(spec)
    yield from _untellable(spec)
    yield from _miscounted(spec)
    if not spec.policies:
        yield f"{spec.noun}: no policies"


def _misplaced(spec: ResourceSpec) -> Iterator[str]:
    """Yields what storage names that there is not, and what it names so that it could not hold."""
    known, storage = {*spec.fields, *spec.storage.hidden}, spec.storage
    named = [("unique", n) for group in storage.unique for n in group]
    named += [("indexes", n) for group in storage.indexes for n in group]
    named += [("content", n) for n in storage.content] + [("references", n) for n in storage.references]
    named += [("droppable", n) for n in storage.droppable]
    named += [("initial", n) for n in storage.initial] + [("owner", storage.owner or "id")]
    for place, name in named:
        if name not in known:
            yield f"{spec.noun}: {place} names {name}, which is neither a field nor a hidden column"
        elif place == "unique" and name in spec.fields and spec.fields[name].sensitive:
            yield f"{spec.noun}: unique names {name}, which is sensitive: ALREADY_EXISTS would tell it"
    for name in set(storage.part_of) - storage.references.keys():
        yield f"{spec.noun}: part_of names {name}, which is none of its references"
    yield from _undroppable(spec)
    for name in storage.hidden.keys() & spec.fields.keys():
        yield f"{spec.noun}: hidden column {name} is a public field"
    for name in storage.references.keys() & known:
        if not indexed(spec, name):
            yield f"{spec.noun}: references names {name}, and no index begins with it: deleting there would scan here"
    if storage.content and not {"revision", "content_hash"} <= spec.fields.keys():
        yield f"{spec.noun}: content needs the fields revision and content_hash"
    for derived in ("created_at", "updated_at", "revision", "content_hash", storage.owner or "id"):
        if derived in spec.fields and not spec.fields[derived].output_only:
            yield f"{spec.noun}.{derived}: must be OUTPUT_ONLY, since the server computes it"


def _untellable(spec: ResourceSpec) -> Iterator[str]:
    """Yields what is to be summarized and does not happen, must be kept each by itself, or is untold and no field."""
    for what in sorted(spec.summarized & {"archived", "unarchived", "purged"}):
        if not spec.archivable:
            yield f"{spec.noun}: audited_in_summary names {what}, and it has no archived_at"
    for name in sorted(spec.untold - spec.fields.keys()):
        yield f"{spec.noun}: untold names {name}, which is no stored field"
    if "purged" in spec.summarized:
        yield f"{spec.noun}: audited_in_summary names purged: what is gone for good is told each by itself"


def _undroppable(spec: ResourceSpec) -> Iterator[str]:
    """Yields why what is to be droppable is not: rows are found by what stays, and can do without what goes."""
    storage = spec.storage
    if storage.droppable and not (storage.append_only and spec.tenant and "created_at" in spec.fields):
        yield f"{spec.noun}: droppable needs an append-only table of tenants with created_at"
    keys = {name for group in (*storage.unique, *storage.indexes) for name in group} | storage.references.keys()
    for name in storage.droppable:
        if name in keys or name in ("id", "created_at"):
            yield f"{spec.noun}: droppable names {name}, by which rows are found"
        if name in spec.fields and not spec.fields[name].nullable and spec.fields[name].kind is not Kind.JSON:
            yield f"{spec.noun}: droppable names {name}, which cannot be absent: make it optional"


def _unkeyed(spec: ResourceSpec) -> Iterator[str]:
    """Yields what keeps a table from having its key: the tenant's, which is the framework's, and the id."""
    field = spec.fields.get("id")
    if field is None or field.kind is not Kind.UUID or not field.output_only:
        yield f"{spec.noun}.id: must be a string, and OUTPUT_ONLY or IDENTIFIER: it is the key, and the server's"
    own = {*spec.fields, *spec.storage.hidden} & (
        {"organization_id", "lock_version"} if spec.tenant else {"lock_version"}
    )
    for name in sorted(own):
        yield f"{spec.noun}.{name}: is a column of the framework's own"
    if spec.revisioned and not spec.tenant:
        yield f"{spec.noun}: content is kept by tenant, and its rows belong to none"


def _misruled(spec: ResourceSpec) -> Iterator[str]:
    for one in (*spec.policies, *spec.field_policies):
        yield from (f"{spec.noun}: {fault}" for fault in one.faults(spec))


def _miscounted(spec: ResourceSpec) -> Iterator[str]:
    for name in spec.resource.rollups:
        field = spec.fields.get(name)
        if field is None or field.kind is not Kind.BIGINT or not field.output_only:
            yield f"{spec.noun}.{name}: counts rows, so it must be a stored int64 that is OUTPUT_ONLY"


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


def request_faults(spec: ResourceSpec, verb: str, method: MethodDescriptor) -> Iterator[str]:
    """Yields what a standard method's request cannot say, and what its answer cannot hold."""
    asked: Any = method.input_type
    names = [name.format(noun=spec.singular, collection=spec.collection) for name in _ASKED.get(verb, ())]
    names += ["include"] if spec.relationships and verb in ("Get", "List") else []
    names += ["show_archived"] if spec.archivable and verb == "List" else []
    for name in names:
        if name not in asked.fields_by_name:
            yield f"{asked.name}.{name}: is missing, and {method.name} needs it"
    for name in (spec.singular, spec.collection):
        if name in names and name in asked.fields_by_name:
            yield from _other(asked.fields_by_name[name].message_type, spec, f"{asked.name}.{name}")
    yield from _answer_faults(spec, verb, method)


def _answer_faults(spec: ResourceSpec, verb: str, method: MethodDescriptor) -> Iterator[str]:
    answer: Any = method.output_type
    if method.server_streaming is not (verb in _STREAMS):
        yield f"{method.name}: must {'' if verb in _STREAMS else 'not '}answer with a stream"
    if verb in _ITSELF:
        yield from _other(answer, spec, method.name)
    if verb == "Upsert":
        yield from _unupsertable(spec, answer)
    for name in (spec.collection, "next_page_token") if verb == "List" else ():
        if name not in answer.fields_by_name:
            yield f"{answer.name}.{name}: is missing, and {method.name} answers with it"


def _unupsertable(spec: ResourceSpec, answer: Any) -> Iterator[str]:
    given = {n for n, field in spec.fields.items() if not field.output_only} | {spec.storage.owner}
    if len(spec.storage.unique) != 1 or not {*spec.storage.unique[0]} <= given:
        yield f"{spec.noun}: Upsert needs one group of unique fields that clients fill, by which a row is known"
    for name in (spec.singular, "created"):
        if name not in answer.fields_by_name:
            yield f"{answer.name}.{name}: is missing, and an Upsert answers with it"


def _other(found: Any, spec: ResourceSpec, place: str) -> Iterator[str]:
    if found is None or found.full_name != spec.message.DESCRIPTOR.full_name:
        yield f"{place}: must be {spec.noun}"
