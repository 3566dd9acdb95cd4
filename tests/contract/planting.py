"""Rows put straight into a service's tables, for what nobody creates by a standard method."""

from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

from framework.identifiers import new_id
from framework.resource import Kind, Registry, ResourceSpec
from framework.storage import Transaction

_NUMBERS = count(1)
_MADE: dict[str, Callable[[], Any]] = {
    "uuid": new_id,
    "bytea": lambda: new_id().bytes,
    "text": lambda: str(new_id()),
    "bigint": lambda: 0,
    "boolean": lambda: False,
}


async def planted(
    tx: Transaction, registry: Registry, spec: ResourceSpec, organization: UUID, **columns: Any
) -> dict[str, Any]:
    """Inserts a row with these columns, and rows for it to refer to; returns what was written."""
    row = {"id": new_id(), **_hidden(spec), **_different(spec), **columns}
    if spec.tenant:
        row["organization_id"] = organization
    if registry.service == "auth":
        made = "INSERT INTO organizations (id, name) VALUES (%(id)s, %(name)s) ON CONFLICT DO NOTHING"
        await tx.execute(made, {"id": organization, "name": str(organization)})
    for name, collection in spec.storage.references.items():
        if row.get(name) is None and collection != spec.collection:
            target = next(other for other in registry.specs.values() if other.collection == collection)
            owner = {target.storage.owner: columns[spec.storage.owner]} if _share_owners(spec, target, columns) else {}
            row[name] = (await planted(tx, registry, target, organization, **owner))["id"]
    names = ", ".join(row)
    await tx.execute(f"INSERT INTO {spec.collection} ({names}) VALUES ({', '.join(f'%({n})s' for n in row)})", row)
    return row


def _different(spec: ResourceSpec) -> dict[str, Any]:
    """Returns texts and whole numbers that no other row has, whatever must be unique."""
    texts = {name: str(new_id()) for name, field in spec.fields.items() if field.kind is Kind.TEXT}
    whole = (Kind.INTEGER, Kind.BIGINT)
    return texts | {name: next(_NUMBERS) for name, field in spec.fields.items() if field.kind in whole}


def _share_owners(spec: ResourceSpec, target: ResourceSpec, columns: dict[str, Any]) -> bool:
    return bool(target.storage.owner and spec.storage.owner in columns)


def _hidden(spec: ResourceSpec) -> dict[str, Any]:
    """Returns values for the hidden columns that have none by themselves; unique ones differ."""
    needed = {n: k.split()[0] for n, k in spec.storage.hidden.items() if "NOT NULL" in k}
    left = {n: k for n, k in needed.items() if not {"DEFAULT", "GENERATED"} & set(spec.storage.hidden[n].split())}
    return {name: _MADE[kind]() for name, kind in left.items()}
