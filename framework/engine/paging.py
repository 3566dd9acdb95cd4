"""Pages of lists: what a request asks for as one statement, and the token of the page that follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select

from framework.call import Actor, Context
from framework.engine.including import edges_of
from framework.engine.messages import refuse_if
from framework.engine.readable import Readable, in_use, visible
from framework.engine.selecting import EVERYTHING, Fetched, Selection, columns_of
from framework.errors import FieldViolation
from framework.policy.act_checks import asked_of
from framework.query import Order, Seal, filter_clause, order_from
from framework.query.page import bound_to
from framework.resource import Kind, ResourceSpec
from framework.storage.rows import named
from framework.storage.tables import compiled

DEFAULT_PAGE = 50


class Page:
    """One page of a list, as a request asks for it; `token` names the request's field that says where it begins."""

    def __init__(
        self,
        spec: ResourceSpec,
        context: Context,
        request: Any,
        path: str,
        seal: Seal,
        token: str = "page_token",
        size: int = 0,
    ) -> None:
        self.spec = spec
        self.context = context
        self.request = request
        edges = edges_of(spec, context, request, alone=False)
        self.selection = Selection(spec, context, getattr(request, "read_mask", EVERYTHING), edges)
        self.readable = self.selection.readable
        self.order: Order = order_from(request.order_by, self.readable)
        self.size: int = size or request.page_size or DEFAULT_PAGE
        self.token_field = token
        self.begins: str = getattr(request, token)
        self.seal = seal
        self.narrowing = narrowing(spec, request)
        self.archived = bool(getattr(request, "show_archived", False))
        self.binding = self._binding(path)

    def _binding(self, path: str) -> str:
        actor = self.context.actor
        bound = [
            path,
            self.request.filter,
            self.order.keys,
            sorted(self.narrowing.items()),
            actor.organization_id,
            actor.id,
            self.archived,
        ]
        return bound_to(*bound)

    def statement(self) -> tuple[str, dict[str, Any]]:
        """Returns the SQL for one row more than the page, so that it is known whether another follows."""
        position = self.seal.open(self.begins, self.binding, self.token_field) if self.begins else []
        about = self.selection.fetched, self._asked(), self.size, _places(position)
        if _asks_nothing(self.spec):
            sql, parameters = _remembered(self.spec, self.context.actor, *about)
        else:
            sql, parameters = _statement(self.readable, *about)
        return sql, {name: position[v.index] if isinstance(v, _Told) else v for name, v in parameters.items()}

    def _asked(self) -> "Asked":
        narrowed = tuple(sorted(self.narrowing.items()))
        return Asked(self.request.filter, self.request.order_by, narrowed, self.archived)

    def token(self, row: Mapping[str, Any]) -> str:
        """Returns what begins a page after a row."""
        return self.seal.seal(self.order.position(row), self.binding)

    @property
    def counts(self) -> bool:
        """Whether the request asks how many rows there are over all pages."""
        return bool(getattr(self.request, "show_total_size", False))

    def total(self) -> tuple[str, dict[str, Any]]:
        """Returns the SQL for the number of rows over all pages."""
        count = select(func.count().label("total")).select_from(self.readable.table)
        return compiled(count.where(and_(*self._clauses())))

    def _clauses(self) -> list[ColumnElement[bool]]:
        return _clauses(self.readable, self._asked())

    def answer(self, rows: Sequence[Mapping[str, Any]], messages: Sequence[Any], response: Any) -> Any:
        """Fills the response with the messages of a page's rows and the token of the next."""
        getattr(response, self.spec.collection).extend(messages[: self.size])
        if len(rows) > self.size:
            response.next_page_token = self.token(rows[self.size - 1])
        return response


class Asked(NamedTuple):
    """Which rows a list asks for, and in which order."""

    filter: str
    order_by: str
    narrowing: tuple[tuple[str, Any], ...]
    archived: bool


def _clauses(readable: Readable, asked: Asked) -> list[ColumnElement[bool]]:
    return [
        visible(readable.spec, readable.context, "List", readable.table),
        filter_clause(asked.filter, readable),
        *(readable[n] == v for n, v in asked.narrowing),
        in_use(readable.spec, readable.table, archived=asked.archived),
    ]


@dataclass(frozen=True)
class _Told:
    """Stands in a statement for what the last row seen told of one key."""

    index: int


def _places(position: Sequence[Any]) -> tuple[_Told | None, ...]:
    """Returns what a statement that goes on after a position hangs on: how many keys there are, and which were null."""
    return tuple(None if told is None else _Told(i) for i, told in enumerate(position))


def _statement(
    readable: Readable, fetched: Fetched, asked: Asked, size: int, places: tuple[_Told | None, ...]
) -> tuple[str, dict[str, Any]]:
    order, clauses = order_from(asked.order_by, readable), _clauses(readable, asked)
    if places:
        clauses.append(order.after(readable, places))
    # The next page begins where the last row stands, so the keys are fetched whatever the mask names.
    columns = [*columns_of(readable, fetched, order.fields), *order.told(readable)]
    query = select(*columns).where(and_(*clauses)).order_by(*order.terms(readable))
    return compiled(query.limit(size + 1))


# The same pages are asked for again and again, by whoever looks at a list; keyed as the statements of single rows are.
@lru_cache(maxsize=2048)
def _remembered(
    spec: ResourceSpec, actor: Actor, fetched: Fetched, asked: Asked, size: int, places: tuple[_Told | None, ...]
) -> tuple[str, dict[str, Any]]:
    return _statement(Readable(spec, Context(actor, "List", "", 0.0)), fetched, asked, size, places)


@cache
def _asks_nothing(spec: ResourceSpec) -> bool:
    """Says whether what may be seen of a resource, and of all that it leads to, hangs on no act's own words."""
    every, found = [spec], {spec}
    for one in every:
        new = {each.target for each in one.relationships.values()} - found
        every += new
        found |= new
    return not any(asked_of(each.allow) for one in every for each in one.policies)


def narrowing(spec: ResourceSpec, request: Any) -> dict[str, Any]:
    """Returns the request fields that are named like columns, such as `dataset_id`: the list is narrowed to them."""
    values: dict[str, Any] = {}
    for descriptor in request.DESCRIPTOR.fields:
        field = spec.fields.get(descriptor.name)
        value = getattr(request, descriptor.name)
        if field is None or not value:
            continue
        if field.kind is Kind.UUID:
            refuse_if(_no_uuid(field.name, value))
            value = UUID(value)
        values[field.name] = value
    return named(spec, values)


def _no_uuid(name: str, value: str) -> list[FieldViolation]:
    try:
        UUID(value)
    except ValueError:
        return [FieldViolation(name, "must be a UUID")]
    return []
