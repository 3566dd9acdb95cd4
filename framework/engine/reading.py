"""Reads: one row or a page of rows, each statement walled by tenant, policy and deadline."""

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, bindparam, func, select, true

from framework.call import Actor, Context
from framework.engine.including import edges_of
from framework.engine.messages import refuse_if
from framework.engine.selecting import (
    EVERYTHING,
    STORED,
    Fetched,
    Readable,
    Selection,
    columns_of,
    in_use,
    visible,
    walled,
)
from framework.engine.withholding import withheld
from framework.errors import FieldViolation, NotFound, NotPermitted
from framework.policy import guard_of, rule_of
from framework.policy.act_checks import asked_of
from framework.policy.policies import Answers
from framework.query import Order, Seal, filter_clause, order_from
from framework.query.page import bound_to
from framework.resource import Kind, ResourceSpec
from framework.storage import Reads, Transaction, table_of
from framework.storage.rows import named
from framework.storage.tables import compiled

DEFAULT_PAGE = 50


def scope(spec: ResourceSpec, context: Context, verb: str) -> ColumnElement[bool]:
    """Returns the clause for the rows of a resource's own table on which the actor may do this."""
    return visible(spec, context, verb, table_of(spec))


async def load(
    tx: Reads | Transaction,
    spec: ResourceSpec,
    context: Context,
    identifier: str,
    verb: str,
    *,
    lock: bool = False,
    fetched: Fetched = STORED,
) -> dict[str, Any]:
    """Returns the row that the actor may act on; hidden and missing alike are NotFound, a forbidden act is not."""
    uuid = identifier_of(spec, identifier)
    acts = (rule_of(spec, "Get").answers(context), rule_of(spec, verb).answers(context))
    sql, params = _load_statement(spec, context.actor, verb, lock, fetched, acts)
    row = await tx.fetch_one(sql, params | {"id_": uuid})
    if row is None:
        raise NotFound(spec.singular, identifier)
    if not row.pop("allowed_"):
        raise NotPermitted(f"you may see this {spec.called}, and may not {verb} it", action=verb)
    return row


# Keyed by the actor's facts: a token is refreshed every few seconds, its user's rights are the same. What the act
# answers to the checks that ask it is a key as well, and nearly always empty.
@lru_cache(maxsize=4096)
def _load_statement(
    spec: ResourceSpec, actor: Actor, verb: str, lock: bool, fetched: Fetched, acts: tuple[Answers, Answers]
) -> tuple[str, dict[str, Any]]:
    readable = Readable(spec, Context(actor, verb, "", 0.0))
    table = readable.table
    seen, allowed = (
        rule_of(spec, name).passing(answers).where(actor, table)
        for name, answers in zip(("Get", verb), acts, strict=True)
    )
    # A row that was just inserted need not be readable by its maker; whether it may be made is the same question.
    visible = walled(spec, readable.context, table, allowed if verb == "Create" else seen)
    # What is found by the answer to a question is not asked it again: policies may be subqueries.
    answered = true() if verb in ("Get", "Create") else allowed
    query = select(*columns_of(readable, fetched), answered.label("allowed_")).where(
        and_(visible, table.c.id == bindparam("id_", type_=table.c.id.type))
    )
    sql, params = compiled(query.with_for_update(of=table) if lock else query)
    params.pop("id_", None)
    return sql, params


def identifier_of(spec: ResourceSpec, identifier: str) -> UUID:
    """Returns an id as UUID; what is none can name nothing, so it is NotFound."""
    try:
        return UUID(identifier)
    except ValueError:
        raise NotFound(spec.singular, identifier[:64]) from None


async def revision_of(
    tx: Reads | Transaction, spec: ResourceSpec, context: Context, row: Mapping[str, Any], revision: int
) -> dict[str, Any]:
    """Returns the row, fetched to be told, with an earlier revision's content in place of the current one.

    What field policies keep of the current content they keep of every earlier one.
    """
    if revision in (0, row["revision"]):
        return dict(row)
    kept = withheld(guard_of(spec, context.actor), row)
    found = await tx.fetch_one(
        f"""SELECT content - %(kept)s::text[] AS content, content_hash FROM {spec.collection}_revisions
            WHERE organization_id = %(organization)s AND id = %(id)s AND revision = %(revision)s""",
        {"organization": row["organization_id"], "id": row["id"], "revision": revision, "kept": kept},
    )
    if found is None:
        raise NotFound(f"{spec.singular}_revision", f"{row['id']}@{revision}")
    # What a revision does not mention was no content yet when it was made: it is empty there, whatever it is now.
    content = dict.fromkeys(spec.storage.content) | found["content"]
    told = {**row, **content, "revision": revision, "content_hash": found["content_hash"]}
    return {name: value for name, value in told.items() if name not in kept}


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
        if not self.begins and _asks_nothing(self.spec):
            return _first_page(self.spec, self.context.actor, self.selection.fetched, self._asked(), self.size)
        clauses = self._clauses()
        if self.begins:
            position = self.seal.open(self.begins, self.binding, self.token_field)
            clauses.append(self.order.after(self.readable, position))
        return _page(self.readable, self.selection.fetched, self.order, clauses, self.size)

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


def _page(
    readable: Readable, fetched: Fetched, order: Order, clauses: Sequence[ColumnElement[bool]], size: int
) -> tuple[str, dict[str, Any]]:
    # The next page begins where the last row stands, so the keys are fetched whatever the mask names.
    columns = [*columns_of(readable, fetched, order.fields), *order.told(readable)]
    query = select(*columns).where(and_(*clauses)).order_by(*order.terms(readable))
    return compiled(query.limit(size + 1))


# First pages are asked for again and again, by whoever looks at a list; keyed as the statements of single rows are.
@lru_cache(maxsize=2048)
def _first_page(
    spec: ResourceSpec, actor: Actor, fetched: Fetched, asked: Asked, size: int
) -> tuple[str, dict[str, Any]]:
    readable = Readable(spec, Context(actor, "List", "", 0.0))
    return _page(readable, fetched, order_from(asked.order_by, readable), _clauses(readable, asked), size)


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
