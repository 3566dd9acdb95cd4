"""Writes: each in one transaction with its revision and its event, over a row that the transaction has locked."""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any

from ashgrove.event.v1 import event_pb2
from psycopg.types.json import Jsonb

from framework.call import Actor, ActorKind, Context
from framework.engine.canonical import canonical
from framework.engine.messages import content_of
from framework.errors import AlreadyExists, WriteConflict
from framework.identifiers import new_id
from framework.plain import made, plain
from framework.policy import deciding_fields, field_rules
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field
from framework.resource.sensitive import without_secrets
from framework.storage import Expression, Transaction, codec_of

# Larger fields are left out of events: whoever needs them reads the resource.
_EVENT_FIELD_BYTES = 8192
_KINDS = {
    ActorKind.USER: event_pb2.Actor.KIND_USER,
    ActorKind.SERVICE: event_pb2.Actor.KIND_SERVICE,
    ActorKind.ANONYMOUS: event_pb2.Actor.KIND_ANONYMOUS,
}


async def change(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    old_row: Mapping[str, Any],
    columns: Mapping[str, Any],
    move: str,
    told: str = "updated",
) -> Any:
    """Writes columns, values or expressions, over a row that may make this move; returns the row as a message.

    Raises WriteConflict where the row's state has moved on.
    """
    with named_conflict(spec):
        stored = await tx.fetch_one(*update(spec, old_row, columns, move))
    if stored is None:
        raise moved_on()
    written = codec_of(spec).message(stored)
    paths = {n for n in spec.fields if n in columns}
    old = codec_of(spec).message(old_row)
    if spec.revisioned and content_of(spec, written) != content_of(spec, old):
        written = await _grown(tx, spec, old_row, written)
        paths |= {"revision", "content_hash"}
    await record(tx, spec, context, told, written, sorted(paths - {"updated_at"}), old)
    return written


def update(
    spec: ResourceSpec, row: Mapping[str, Any], columns: Mapping[str, Any], move: str, fence: Sequence[str] = ()
) -> tuple[str, dict[str, Any]]:
    """Returns what writes columns over a row that may make this move, and whose `fence` is still as it was."""
    values = _parameters(spec, row, columns, move) | {f"{name}_": row[name] for name in fence}
    return _update_statement(spec, columns, move, fence), values


def _update_statement(spec: ResourceSpec, columns: Mapping[str, Any], move: str, fence: Sequence[str]) -> str:
    assignments = [f"{c} = {v.sql(c) if isinstance(v, Expression) else f'%({c})s'}" for c, v in columns.items()]
    assignments.append("lock_version = lock_version + 1")
    if "updated_at" in spec.fields:
        assignments.append("updated_at = now()")
    where = " AND ".join([_where(spec, move), *(f"{name} = %({name}_)s" for name in fence)])
    return f"UPDATE {spec.collection} SET {', '.join(assignments)} WHERE {where} RETURNING *"


def _where(spec: ResourceSpec, move: str = "") -> str:
    """Returns the clause for the row; a move that depends on the state finds it only in one where it is legal."""
    clauses = ["organization_id = %(organization_)s"] if spec.tenant else []
    if spec.states is not None and spec.states.names(move):
        clauses.append(f"{spec.states.field} = ANY(%(from_)s)")
    return " AND ".join([*clauses, "id = %(id_)s"])


def _parameters(
    spec: ResourceSpec, row: Mapping[str, Any], columns: Mapping[str, Any], move: str = ""
) -> dict[str, Any]:
    values = {c: v.value if isinstance(v, Expression) else v for c, v in columns.items()}
    legal = spec.states.sources(move) if spec.states is not None else []
    return values | {"id_": row["id"], "organization_": row.get("organization_id"), "from_": legal}


async def _grown(tx: Transaction, spec: ResourceSpec, old_row: Mapping[str, Any], written: Any) -> Any:
    """Numbers and keeps the new content of a row; returns the row as a message."""
    columns = {"revision": old_row["revision"] + 1, "content_hash": content_hash(content_of(spec, written))}
    assignments = ", ".join(f"{c} = %({c})s" for c in columns)
    statement = f"UPDATE {spec.collection} SET {assignments} WHERE {_where(spec)} RETURNING *"
    stored = await tx.fetch_one(statement, _parameters(spec, old_row, columns))
    assert stored is not None, "the row is locked"
    message = codec_of(spec).message(stored)
    await keep_revisions(tx, spec, [(stored, content_of(spec, message))])
    return message


def content_hash(content: Mapping[str, Any]) -> str:
    """Returns SHA-256 of the content as RFC 8785 JSON, in hexadecimal."""
    return hashlib.sha256(canonical(dict(content))).hexdigest()


async def keep_revisions(
    tx: Transaction, spec: ResourceSpec, rows: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]
) -> None:
    """Keeps the contents of rows under their current numbers, in one statement."""
    kept = [
        {
            "organization_id": str(row["organization_id"]),
            "id": str(row["id"]),
            "revision": row["revision"],
            "content": content,
            "content_hash": row["content_hash"],
        }
        for row, content in rows
    ]
    names = ", ".join(kept[0])
    await tx.execute(
        f"""INSERT INTO {spec.collection}_revisions ({names})
            SELECT {names} FROM jsonb_populate_recordset(NULL::{spec.collection}_revisions, %(kept)s)""",
        {"kept": Jsonb(kept)},
    )


def moved_on() -> WriteConflict:
    """Returns the refusal of a change to a row that is not what its writer took it for."""
    return WriteConflict("it moved on meanwhile: read it again and retry")


@contextmanager
def named_conflict(spec: ResourceSpec) -> Iterator[None]:
    """Names the fields whose values another row has, where the database names only a constraint."""
    try:
        yield
    except AlreadyExists as conflict:
        fields = {f"{spec.collection}_{'_'.join(group)}_key": group for group in spec.storage.unique}
        raise taken(spec, fields.get(conflict.metadata.get("constraint", ""), ())) from conflict


def taken(spec: ResourceSpec, fields: Sequence[str], **places: str) -> AlreadyExists:
    """Returns the refusal of values that must be unique and are another row's."""
    shown = [_shown(spec, name) for name in fields]
    told = f"another {spec.called} has the same {' and '.join(shown) or 'id'}; choose others"
    return AlreadyExists(told, resource=spec.singular, fields=",".join(shown), **places)


def _shown(spec: ResourceSpec, column: str) -> str:
    """Returns the field that a unique column is; of a hidden one, such as `name_key`, the field that it is made of."""
    made_of = [name for name in spec.fields if column.startswith(f"{name}_")]
    return max(made_of, key=len) if column in spec.storage.hidden and made_of else column


async def tell_many(
    tx: Transaction, spec: ResourceSpec, context: Context, what: str, told: Iterable[Mapping[str, Any]]
) -> None:
    """Leaves the events of many writes in the outbox in one statement, when the resource publishes such events.

    Each is given as what may be told of the resource.
    """
    if what not in spec.told:
        return
    event = _event(spec, context, what)
    events = [
        {
            **event,
            "id": str(new_id()),
            "resource_id": data["id"],
            "subject": f"{spec.collection}/{data['id']}",
            "data": data,
        }
        for data in told
    ]
    await tx.record_many(context.actor.organization_id, events)


async def record(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    what: str,
    message: Any,
    paths: Sequence[str] = (),
    old: Any = None,
) -> None:
    """Leaves the event of a write in the outbox, when the resource publishes such events."""
    if what in spec.told:
        await tx.record(about(spec, context, what, message, paths, old))


def about(
    spec: ResourceSpec, context: Context, what: str, message: Any, paths: Sequence[str] = (), old: Any = None
) -> dict[str, Any]:
    """Returns the event of a write, as JSON data.

    `old` is the resource before: what it held in the changed fields is told too, of a purged one what decides who could
    see it and which others it names, so that those who could can be told that it is gone.
    """
    event = _event(spec, context, what)
    event |= {"resource_id": message.id, "subject": f"{spec.collection}/{message.id}", "data": told_of(spec, message)}
    if paths:
        event["changed_paths"] = list(paths)
    if old is not None:
        kept = paths or {*deciding_fields(spec), *(n for n, f in spec.fields.items() if f.kind is Kind.UUID)}
        event["before"] = told_of(spec, old, kept)
    return event


def _event(spec: ResourceSpec, context: Context, what: str) -> dict[str, Any]:
    audit = {"audit": event_pb2.Event.Audit.Name(kept)} if (kept := kept_as(spec, what)) else {}
    return {**envelope(context, f"{spec.singular}.{what}", "OK"), "resource_type": spec.singular, **audit}


def kept_as(spec: ResourceSpec, what: str) -> event_pb2.Event.Audit.ValueType:
    """Returns how the audit trail keeps what happens to a resource."""
    return event_pb2.Event.AUDIT_SUMMARY if what in spec.summarized else event_pb2.Event.AUDIT_UNSPECIFIED


def event_of(context: Context, kind: str, outcome: str) -> event_pb2.Event:
    """Returns the envelope of an event that this call causes, as a message."""
    return made(event_pb2.Event, envelope(context, kind, outcome))


def envelope(context: Context, kind: str, outcome: str) -> dict[str, Any]:
    """Returns the envelope of an event that this call causes, as JSON data."""
    told = {
        "id": str(new_id()),
        "type": kind,
        "organization_id": str(context.actor.organization_id or ""),
        "action": context.action,
        "outcome": outcome,
        "request_id": context.request_id,
        "trace_id": context.trace_id,
        "actor": _told_actor(context.actor),
        "client_address": context.address,
        "user_agent": context.user_agent,
        "occurred_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    return {name: value for name, value in told.items() if value}


@lru_cache(maxsize=1024)
def _told_actor(actor: Actor) -> Mapping[str, Any]:
    told = {"kind": event_pb2.Actor.Kind.Name(_KINDS[actor.kind]), "id": actor.id}
    told |= {"credential_id": actor.credential_id, "delegate": actor.delegate, "label": actor.label}
    return {name: value for name, value in told.items() if value}


def told_of(spec: ResourceSpec, message: Any, only: Collection[str] | None = None) -> dict[str, Any]:
    """Returns what events may tell of a resource, or of some fields of it: no untold, sensitive and large ones."""
    return tellable(spec, plain(without_secrets(message), leaving=left_out(spec), only=only))


def tellable(spec: ResourceSpec, data: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what events may tell of a resource without its secrets, given as JSON data."""
    untold = left_out(spec)
    return {k: v for k, v in data.items() if k not in untold and _tellable(spec.fields.get(k), v)}


@cache
def left_out(spec: ResourceSpec) -> frozenset[str]:
    """Returns the fields of which events tell nothing, whatever they hold."""
    # Whoever hears of an event need not be one who may read every field.
    return frozenset(spec.untold) | field_rules(spec).reads.keys()


def _tellable(field: Field | None, value: Any) -> bool:
    if field is None or field.sensitive:
        return False
    if isinstance(value, int | float):
        return True
    return len(value if isinstance(value, str) else str(value)) <= _EVENT_FIELD_BYTES
