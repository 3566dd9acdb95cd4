"""What policies say of a write once its values are known: of what it changes, and of each field that it names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from framework.call import Context
from framework.engine.messages import is_empty, masked_paths
from framework.engine.reading import load
from framework.errors import NotPermitted
from framework.policy import field_rules, rule_of
from framework.policy.checks import Check
from framework.resource import ResourceSpec
from framework.storage import Transaction, table_of
from framework.storage.tables import compiled


async def permit_change(
    tx: Transaction, spec: ResourceSpec, context: Context, row: Mapping[str, Any], new: Mapping[str, Any], verb: str
) -> None:
    """Raises NotPermitted when policies that ask what changes refuse to have these columns written over a row."""
    if rule_of(spec, verb).asked:
        changes = {n: (row.get(n), value) for n, value in new.items() if n not in row or row[n] != value}
        await load(tx, spec, replace(context, changes=changes), str(row["id"]), verb)


@dataclass(frozen=True)
class Paths:
    """The fields that an update writes, and those of them that its caller could not read."""

    written: list[str]
    unread: list[str]


async def permitted_paths(
    tx: Transaction, spec: ResourceSpec, context: Context, row: Mapping[str, Any], message: Any, mask: FieldMask
) -> Paths:
    """Returns the fields that an update names; raises NotPermitted naming those that the caller may not write.

    A mask of `*` means every field that the caller can read and write, and what the message fills: one who read the
    resource and sends it back does not empty what was kept from them.
    """
    names = masked_paths(spec, message, mask)
    rules = field_rules(spec)
    unread = await _refused(tx, spec, context, row["id"], names, rules.reads)
    unwritable = await _refused(tx, spec, context, row["id"], names, rules.writes)
    skipped = set()
    if list(mask.paths) == ["*"]:
        skipped = {n for n in (*unread, *unwritable) if is_empty(message, n)}
    _refuse(spec, "Update", [n for n in unwritable if n not in skipped])
    return Paths([n for n in names if n not in skipped], [n for n in unread if n not in skipped])


async def permit_fields(tx: Transaction, spec: ResourceSpec, context: Context, identifier: Any, message: Any) -> None:
    """Raises NotPermitted when a row was made with fields that its maker may not write, naming them."""
    rules = field_rules(spec).writes
    filled = [n for n in rules if n in spec.fields and not spec.fields[n].output_only and not is_empty(message, n)]
    _refuse(spec, "Create", await _refused(tx, spec, context, identifier, filled, rules))


def _refuse(spec: ResourceSpec, verb: str, names: Iterable[str]) -> None:
    told = ", ".join(names)
    if told:
        raise NotPermitted(f"you may not write {told} of this {spec.called}", action=verb, fields=told)


async def _refused(
    tx: Transaction,
    spec: ResourceSpec,
    context: Context,
    identifier: Any,
    names: Iterable[str],
    rules: Mapping[str, Check],
) -> list[str]:
    """Returns those of the fields whose rule the actor does not pass on this row."""
    said = {n: rules[n].decide(context.actor) for n in names if n in rules}
    open_ = [n for n, verdict in said.items() if verdict is None]
    if open_:
        table = table_of(spec)
        columns = [rules[n].where(context.actor, table).label(n) for n in open_]
        row = await tx.fetch_one(*compiled(select(*columns).where(table.c.id == identifier)))
        said |= {n: bool(row and row[n]) for n in open_}
    return [n for n, verdict in said.items() if not verdict]
