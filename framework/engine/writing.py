"""Writes: each in one transaction with its revision and its event, authorised in SQL over the very row."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import rfc8785
from ashgrove.event.v1 import event_pb2
from google.protobuf.json_format import MessageToDict
from psycopg.types.json import Jsonb

from framework.call import Actor, ActorKind, Context
from framework.engine.messages import content_of, is_empty
from framework.engine.reading import load
from framework.errors import IllegalState, NotFound, NotPermitted, StaleEtag
from framework.identifiers import new_id
from framework.policy import field_rules, rule_of
from framework.resource import Kind, ResourceSpec
from framework.resource.fields import Field
from framework.storage import Transaction, codec_of
from framework.storage.rows import enum_name

# Larger fields are left out of events: whoever needs them reads the resource.
_EVENT_FIELD_BYTES = 8192
_KINDS = {
    ActorKind.USER: event_pb2.Actor.KIND_USER,
    ActorKind.SERVICE: event_pb2.Actor.KIND_SERVICE,
    ActorKind.ANONYMOUS: event_pb2.Actor.KIND_ANONYMOUS,
}


async def insert(
    tx: Transaction, spec: ResourceSpec, context: Context, message: Any, hidden: Mapping[str, Any], identifier: str = ""
) -> Any:
    """Inserts a row and returns it as a message; raises NotPermitted when the policies refuse the row as made.

    They are asked after the insert, of the row itself: defaults, owner and derived columns are in it.
    """
    row = _new_row(spec, context, message) | dict(hidden)
    row["id"] = UUID(identifier) if identifier else new_id()
    if spec.revisioned:
        row |= {"revision": 1, "content_hash": content_hash(content_of(spec, message))}
    await tx.execute(_insert_statement(spec.collection, row), row)
    asks = bool(rule_of(spec, "Create").asked)
    filled = {n: (None, row[n]) for n in spec.fields if not is_empty(message, n)} if asks else {}
    try:
        stored = await load(tx, spec, replace(context, changes=filled), str(row["id"]), "Create")
    except NotFound:
        raise NotPermitted(f"you may not create this {spec.singular.replace('_', ' ')}", action="Create") from None
    created = codec_of(spec).message(stored)
    if spec.revisioned:
        await _keep_revision(tx, spec, stored, created)
    await record(tx, spec, context, "created", created)
    return created


def _new_row(spec: ResourceSpec, context: Context, message: Any) -> dict[str, Any]:
    row = {k: v for k, v in codec_of(spec).row(message).items() if k not in ("created_at", "updated_at")}
    for name, value in spec.storage.initial.items():
        field = spec.fields.get(name)
        row[name] = enum_name(field, value) if field and field.kind is Kind.ENUM else value
    if spec.storage.owner and row.get(spec.storage.owner) is None:
        row[spec.storage.owner] = context.actor.user_id
    if spec.tenant:
        row["organization_id"] = context.organization_id
    return row


def _insert_statement(table: str, row: Mapping[str, Any]) -> str:
    columns = ", ".join(row)
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join(f'%({c})s' for c in row)})"


async def change(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    old_row: Mapping[str, Any],
    columns: Mapping[str, Any],
    told: str = "updated",
) -> Any:
    """Writes columns over a row that this transaction has locked, and returns the row as a message."""
    columns = dict(columns)
    new = codec_of(spec).message(_plain({**old_row, **columns}))
    old = codec_of(spec).message(old_row)
    grown = spec.revisioned and content_of(spec, new) != content_of(spec, old)
    if grown:
        columns |= {"revision": old_row["revision"] + 1, "content_hash": content_hash(content_of(spec, new))}
    stored = await tx.fetch_one(_update_statement(spec, columns), columns | _where(spec, old_row))
    assert stored is not None, "the row was locked"
    written = codec_of(spec).message(stored)
    if grown:
        await _keep_revision(tx, spec, stored, written)
    paths = sorted(n for n in spec.fields if n in columns and n != "updated_at")
    await record(tx, spec, context, told, written, paths)
    return written


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.obj if isinstance(v, Jsonb) else v for k, v in row.items()}


def _update_statement(spec: ResourceSpec, columns: Mapping[str, Any]) -> str:
    assignments = [f"{c} = %({c})s" for c in columns] + ["lock_version = lock_version + 1"]
    if "updated_at" in spec.fields:
        assignments.append("updated_at = now()")
    tenant = "organization_id = %(organization_)s AND " if spec.tenant else ""
    return f"UPDATE {spec.collection} SET {', '.join(assignments)} WHERE {tenant}id = %(id_)s RETURNING *"


def _where(spec: ResourceSpec, row: Mapping[str, Any]) -> dict[str, Any]:
    tenant = {"organization_": row["organization_id"]} if spec.tenant else {}
    return {"id_": row["id"], **tenant}


def check_etag(row: Mapping[str, Any], etag: str) -> None:
    """Raises StaleEtag when an etag is given and is not the row's."""
    current = str(row["lock_version"])
    if etag and etag != current:
        raise StaleEtag("it changed since you read it: read it again and retry", current_etag=current)


def check_in_use(spec: ResourceSpec, row: Mapping[str, Any], verb: str) -> None:
    """Raises IllegalState when an archived row is to be written."""
    if spec.archivable and row["archived_at"] is not None:
        raise IllegalState(
            f"an archived {spec.singular.replace('_', ' ')} cannot be changed; legal: Get, List",
            status="ARCHIVED",
            action=verb,
        )


def content_hash(content: Mapping[str, Any]) -> str:
    """Returns SHA-256 of the content as RFC 8785 JSON, in hexadecimal."""
    return hashlib.sha256(rfc8785.dumps(dict(content))).hexdigest()


async def _keep_revision(tx: Transaction, spec: ResourceSpec, row: Mapping[str, Any], message: Any) -> None:
    await tx.execute(
        f"""INSERT INTO {spec.collection}_revisions (organization_id, id, revision, content, content_hash)
            VALUES (%(organization)s, %(id)s, %(revision)s, %(content)s, %(hash)s)""",
        {
            "organization": row["organization_id"],
            "id": row["id"],
            "revision": row["revision"],
            "content": Jsonb(content_of(spec, message)),
            "hash": row["content_hash"],
        },
    )


async def record(
    tx: Transaction, spec: ResourceSpec, context: Context, what: str, message: Any, paths: list[str] | None = None
) -> None:
    """Leaves the event of a write in the outbox, when the resource publishes such events."""
    if what not in spec.publishes:
        return
    event = event_of(context, f"{spec.singular}.{what}", "OK")
    event.resource_type = spec.singular
    event.resource_id = message.id
    event.changed_paths.extend(paths or [])
    event.data.update(_told(spec, message))
    await tx.record(event)


def event_of(context: Context, kind: str, outcome: str) -> event_pb2.Event:
    """Returns the envelope of an event that this call causes."""
    actor = context.actor
    organization = str(actor.organization_id) if actor.organization_id else ""
    event = event_pb2.Event(
        id=str(new_id()),
        type=kind,
        organization_id=organization,
        action=context.action,
        outcome=outcome,
        request_id=context.request_id,
        actor=_actor(actor),
    )
    event.occurred_at.GetCurrentTime()
    return event


def _actor(actor: Actor) -> event_pb2.Actor:
    return event_pb2.Actor(
        kind=_KINDS[actor.kind], id=actor.id, credential_id=actor.credential_id, delegate=actor.delegate
    )


def _told(spec: ResourceSpec, message: Any) -> dict[str, Any]:
    data = MessageToDict(message, preserving_proto_field_name=True)
    # Whoever hears of an event need not be one who may read every field.
    kept = field_rules(spec).reads
    return {k: v for k, v in data.items() if k not in kept and _tellable(spec.fields.get(k), v)}


def _tellable(field: Field | None, value: Any) -> bool:
    return field is not None and not field.sensitive and len(str(value)) <= _EVENT_FIELD_BYTES
