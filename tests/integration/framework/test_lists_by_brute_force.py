"""A list is what one would pick, order and cut by hand: tenant, policy, filter, order and page in one statement."""

import secrets
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from filters import IDS, KEYS, Filter, filters, quoted, sorted_by, specimens
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from sqlalchemy.schema import CreateTable

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.messages import selected
from framework.engine.paging import Page
from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.policy import rule_for
from framework.query import Key, Seal
from framework.resource import spec_of
from framework.storage import codec_of, table_of
from framework.storage.tables import DIALECT
from framework.testing.specimen import Specimen, message, registry
from tests.tries import tries

registry()  # which lets relationships find each other
SPEC = spec_of(Specimen)
TABLE = table_of(SPEC)
ORGANIZATIONS = [UUID(int=100), UUID(int=101)]
actors = st.builds(
    Actor,
    kind=st.just(ActorKind.USER),
    id=st.sampled_from(IDS),
    organization_id=st.sampled_from(ORGANIZATIONS),
    role=st.sampled_from([Role.ADMIN, Role.USER, Role.USER]),
)
rows = st.lists(st.tuples(specimens, st.sampled_from([*ORGANIZATIONS, ORGANIZATIONS[0]])), min_size=1, max_size=5)
ORDERED = ["name", "color", "small", "big", "ratio", "flag", "owner_id", "ended_at", "hint", "weight", "created_at"]
INSIDE = [
    *(("detail", name) for name in ("text", "count", "big", "ratio", "flag", "at", "color", "note", "limit")),
    *(("detail", "inner", name) for name in ("big", "limit")),
    *(("scores", key) for key in KEYS),
    ("free", "a"),
    ("free", "b.c"),
    ("free", "a", "a"),
]


def _key(path: tuple[str, ...], down: bool, first: bool) -> Key:
    nullable = len(path) > 1 or SPEC.fields[path[0]].nullable
    return Key(path[0], down, first if nullable else None, path[1:])


orders = st.lists(
    st.builds(_key, st.sampled_from([*((n,) for n in ORDERED), *INSIDE]), st.booleans(), st.booleans()),
    max_size=3,
    unique_by=lambda key: key.path,
)
EVERYTHING = Filter("", lambda one: True)
MASKS = [
    "id",
    "name",
    "detail",
    "detail.text",
    "detail.inner.big",
    "scores",
    "tags",
    "free",
    "ended_at",
    "etag",
    "hint",
]
SEAL = Seal(secrets.token_bytes(32))


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        made.execute(str(CreateTable(TABLE).compile(dialect=DIALECT)).replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        yield made


def stored(connection: psycopg.Connection[Any], given_rows: list[tuple[Any, UUID]]) -> list[tuple[Any, UUID]]:
    """Puts messages into the table, each with an id of its own."""
    connection.execute("TRUNCATE specimens")
    for one, organization in given_rows:
        one.id = str(new_id())
        row = codec_of(SPEC).row(one) | {"organization_id": organization, "lock_version": 1}
        columns, values = ", ".join(row), ", ".join(f"%({c})s" for c in row)
        connection.execute(f"INSERT INTO specimens ({columns}) VALUES ({values})", row)
    return given_rows


def walked(connection: psycopg.Connection[Any], actor: Actor, **asked: Any) -> list[Any]:
    """Returns what a list returns, page by page; each page is as long as asked, but for the last."""
    context = Context(actor, "ListSpecimens", "", 0.0)
    listed: list[Any] = []
    token = ""
    while True:
        request = message("ListSpecimensRequest")(page_token=token, **asked)
        page = Page(SPEC, context, request, "/list", SEAL)
        found = connection.execute(*page.statement()).fetchall()
        answer = page.answer(found, list(map(page.selection.message, found)), message("ListSpecimensResponse")())
        listed += answer.specimens
        token = answer.next_page_token
        if not token:
            return listed
        assert len(answer.specimens) == request.page_size


def expected(stood: list[tuple[Any, UUID]], actor: Actor, wanted: Filter, keys: list[Key]) -> list[Any]:
    """Returns the rows one would pick by hand, in the order one would put them."""
    rule = rule_for(SPEC.policies, "List")
    picked = [
        one
        for one, organization in stood
        if organization == actor.organization_id and rule.allows(actor, codec_of(SPEC).row(one)) and wanted.holds(one)
    ]
    last = Key("id", keys[-1].descending if keys else True)
    for key in [last, *reversed(keys)]:
        there = [one for one in picked if sorted_by(one, key.path) is not None]
        absent = [one for one in picked if sorted_by(one, key.path) is None]
        # In reverse, Python keeps equal elements in their order, as it must.
        there.sort(key=lambda one: sorted_by(one, key.path), reverse=key.descending)
        picked = absent + there if key.nulls_first else there + absent
    return picked


def _order(key: Key) -> str:
    nulls = {None: "", True: " nulls first", False: " nulls last"}[key.nulls_first]
    path = ".".join([key.name, *(quoted(name) for name in key.inner)])
    return f"{path}{' desc' if key.descending else ''}{nulls}"


@settings(max_examples=tries(200), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, actors, st.one_of(filters, st.just(EVERYTHING)), orders, st.integers(1, 3))
def test_a_list_is_what_brute_force_picks(
    connection: psycopg.Connection[Any],
    given_rows: list[tuple[Any, UUID]],
    actor: Actor,
    wanted: Filter,
    keys: list[Key],
    size: int,
) -> None:
    """For any rows of two organizations, any actor, filter and order, over all pages; and so is its total size."""
    picked = expected(stored(connection, given_rows), actor, wanted, keys)
    asked = {"filter": wanted.text, "order_by": ", ".join(_order(k) for k in keys)}
    listed = walked(connection, actor, page_size=size, **asked)
    assert [one.id for one in listed] == [one.id for one in picked], asked
    request = message("ListSpecimensRequest")(**asked)
    page = Page(SPEC, Context(actor, "ListSpecimens", "", 0.0), request, "/list", SEAL)
    assert connection.execute(*page.total()).fetchall() == [{"total": len(picked)}]


@settings(max_examples=tries(150), deadline=None, suppress_health_check=list(HealthCheck))
@given(rows, actors, st.lists(st.sampled_from(MASKS), min_size=1, max_size=3), orders)
def test_a_masked_list_is_the_list_masked(
    connection: psycopg.Connection[Any],
    given_rows: list[tuple[Any, UUID]],
    actor: Actor,
    paths: list[str],
    keys: list[Key],
) -> None:
    """Whatever it is ordered by, over all pages."""
    stored(connection, given_rows)
    order = ", ".join(_order(k) for k in keys)
    whole = walked(connection, actor, page_size=2, order_by=order)
    masked = walked(connection, actor, page_size=2, order_by=order, read_mask=FieldMask(paths=paths))
    for one, part in zip(whole, masked, strict=True):
        kept = message("Specimen")()
        FieldMask(paths=paths).MergeMessage(one, kept)
        assert part == kept


def test_what_a_mask_does_not_name_is_not_fetched() -> None:
    """Neither JSON nor hidden columns; the keys of the order are, for the next page begins there."""
    request = message("ListSpecimensRequest")(read_mask=FieldMask(paths=["detail.text", "etag"]), order_by="small")
    context = Context(Actor(ActorKind.USER, IDS[0], ORGANIZATIONS[0], Role.USER), "ListSpecimens", "", 0.0)
    sql, _ = Page(SPEC, context, request, "/list", SEAL).statement()
    fetched = sql.removeprefix("SELECT ").split(" \nFROM")[0].replace("specimens.", "").split(", ")
    assert sorted(fetched) == ["detail", "id", "lock_version", "small"]


@pytest.mark.parametrize(
    "path", ["nothing", "hidden_key", "organization_id", "lock_version", "detail.nothing", "id.x", ""]
)
def test_a_mask_names_public_fields_only(path: str) -> None:
    """Hidden and unknown ones are refused alike."""
    with pytest.raises(InvalidFields) as refused:
        selected(SPEC, FieldMask(paths=["name", path]))
    (violation,) = refused.value.violations
    assert (violation.path, violation.message) == ("read_mask", f"{path} is no field of specimen")
