"""What a read fetches: the columns of its statement, and the messages that its rows make; every read asks here."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Column, ColumnElement

from framework.call import Context
from framework.engine import allowing
from framework.engine.messages import pruned, selected
from framework.engine.readable import Readable
from framework.engine.withholding import bounded, verdicts
from framework.policy import guard_of
from framework.query.formulas import batched
from framework.resource import ResourceSpec
from framework.storage import codec_of

if TYPE_CHECKING:
    from framework.engine.calls import Call
    from framework.engine.including import Edge

EVERYTHING = FieldMask()


class Fetched(NamedTuple):
    """What a statement fetches by name: stored fields, None for every column, and fields that are made from others.

    What is to be `told` to the caller is fetched as far as field policies let it; what the engine works on is whole.
    """

    stored: tuple[str, ...] | None = None
    made: tuple[str, ...] = ()
    told: bool = False


STORED = Fetched()
"""Every column of the row itself."""
_TOLD = Fetched(told=True)


class Selection:
    """What one read fetches of a resource: all that is stored, or what its mask names.

    A computed field is fetched only when the mask names it: `*` and the absence of a mask mean what is stored.
    """

    def __init__(
        self, spec: ResourceSpec, context: Context, mask: FieldMask = EVERYTHING, edges: Sequence["Edge"] = ()
    ) -> None:
        self.spec = spec
        self.context = context
        self.mask = mask
        self.edges = edges
        self.fetched = _fetched(spec, selected(spec, mask), [edge.key for edge in edges])

    @cached_property
    def readable(self) -> Readable:
        """The fields as this read's actor reads them."""
        return Readable(self.spec, self.context)

    def columns(self, also: Iterable[str] = ()) -> list[Any]:
        """Returns what the statement selects, labelled as rows and `message` know it; `also` names further fields."""
        return columns_of(self.readable, self.fetched, also)

    def message(self, row: Mapping[str, Any]) -> Any:
        """Returns a fetched row as its message, with nothing but what the mask names."""
        return self._told(codec_of(self.spec).message(row), row)

    async def messages(
        self, call: "Call", rows: Sequence[Mapping[str, Any]], derive: Callable[[Any], None] | None = None
    ) -> list[Any]:
        """Returns fetched rows as messages, completed by what takes more than a row: once for all of them."""
        made = [codec_of(self.spec).message(row) for row in rows]
        if derive:
            for message in made:
                await asyncio.to_thread(derive, message)
        if made and self.fetched.made:
            await self._complete(call, made, rows)
        told = [self._told(message, row) for message, row in zip(made, rows, strict=True)]
        for edge in self.edges:
            await edge.fill(call, rows, told)
        return told

    def _told(self, message: Any, row: Mapping[str, Any]) -> Any:
        return pruned(bounded(self.spec, guard_of(self.spec, self.context.actor), message, row), self.mask)

    async def _complete(self, call: "Call", messages: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> None:
        if allowing.FIELD in self.fetched.made:
            allowing.fill(call, self.spec, messages, rows)
        for name in self.fetched.made:
            formula = self.spec.formula(name)
            if isinstance(formula, batched):
                await formula.fill(call, name, messages)


def _fetched(spec: ResourceSpec, names: Iterable[str] | None, keys: Iterable[str]) -> Fetched:
    """Returns what a mask's names need, and keys; formulas in Python say which other fields they are computed from."""
    if names is None:
        return _TOLD
    stored = {name for name in (*names, *keys) if name in spec.fields}
    made = tuple(name for name in names if name not in spec.fields)
    for formula in map(spec.formula, made):
        stored |= set(formula.needs) if isinstance(formula, batched) else set()
    return Fetched(tuple(sorted(stored)), made, told=True)


def columns_of(readable: Readable, fetched: Fetched, also: Iterable[str] = ()) -> list[Any]:
    """Returns the labelled columns behind what is fetched, and behind further fields; without names the whole table."""
    whole = fetched.stored is None
    names = dict.fromkeys([*(fetched.stored or ()), *fetched.made, *also])
    wanted = [name for name in names if not (whole and name in readable.spec.fields)]
    row = _row(readable, told=fetched.told) if whole else []
    return [*row, *(column for name in wanted for column in _behind(readable, name))]


def _row(readable: Readable, *, told: bool) -> list[Any]:
    """Returns the whole row: as it is, or as far as its reader may read it."""
    if not (told and readable.guard):
        return [readable.table]
    shown = [c for c in readable.table.c if c.name not in readable.guard.hidden]
    dependent = readable.guard.dependent
    return [*(readable[c.name].label(c.name) if c.name in dependent else c for c in shown), *_verdicts(readable)]


def _behind(readable: Readable, name: str) -> list[ColumnElement[Any]]:
    """Returns the labelled columns that a field of the message is made from."""
    if name in _DERIVED:
        return _DERIVED[name](readable)
    if name not in readable.fields:
        # Python computes it, whoever reads; its reader's verdict is fetched beside it.
        return _verdicts(readable) if name in readable.guard.dependent else []
    column = readable[name]
    return [column if isinstance(column, Column) else column.label(name)]


def _verdicts(readable: Readable) -> list[ColumnElement[Any]]:
    return verdicts(readable.guard, readable.context.actor, readable.table)


# Fields of messages that are neither stored nor computed by a formula.
_DERIVED: dict[str, Callable[[Readable], list[ColumnElement[Any]]]] = {
    "etag": lambda readable: [readable.table.c.lock_version],
    "forbidden_fields": _verdicts,
    allowing.FIELD: lambda readable: allowing.verdict_columns(readable.spec, readable.context, readable.table),
}
