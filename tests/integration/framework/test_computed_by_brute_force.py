"""Computed fields and aggregates are what one would compute by hand, for any rows, actor, filter, order and page."""

import json
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
import pytest
from ashgrove.resource.v1 import aggregate_pb2
from computing import COMPUTED, LISTED, PIECES, SPECIMENS, day, histogram, mean, percentile, pieces, weights
from filters import COLORS, IDS
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from sqlalchemy.schema import CreateTable

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.aggregating import Asked
from framework.engine.paging import Page
from framework.policy import rule_for
from framework.query import Key, Seal
from framework.query.measures import FUNCTIONS
from framework.resource import Kind, ResourceSpec, spec_of
from framework.storage import codec_of, table_of
from framework.storage.rows import enum_name
from framework.storage.tables import DIALECT
from framework.testing.specimen import Piece, Specimen, message, registry
from tests.tries import tries

registry()  # which verifies the formulas and lets relationships find each other
SPECIMEN, PIECE = spec_of(Specimen), spec_of(Piece)
MINE, OTHER = UUID(int=100), UUID(int=101)
SEAL = Seal(secrets.token_bytes(32))
actors = st.builds(
    Actor,
    kind=st.just(ActorKind.USER),
    id=st.sampled_from(IDS),
    organization_id=st.sampled_from([MINE, MINE, MINE, OTHER]),
    role=st.sampled_from([Role.ADMIN, Role.USER, Role.USER]),
)
organizations = st.sampled_from([MINE, MINE, MINE, OTHER])
worlds = st.tuples(
    st.lists(st.tuples(st.sampled_from(IDS), st.booleans()), min_size=len(SPECIMENS), max_size=len(SPECIMENS)),
    st.lists(st.tuples(pieces, organizations), min_size=3, max_size=len(PIECES)),
)
orders = st.lists(
    st.builds(
        lambda name, down, first: Key(name, down, first if SPECIMEN.computed[name].nullable else None),
        st.sampled_from([*COMPUTED]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=2,
    unique_by=lambda key: key.name,
)
Row = tuple[Any, UUID]


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        for spec in (SPECIMEN, PIECE):
            sql = str(CreateTable(table_of(spec)).compile(dialect=DIALECT))
            made.execute(sql.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        yield made


def stored(connection: psycopg.Connection[Any], world: Any) -> tuple[list[Row], list[Row]]:
    """Puts specimens and pieces into their tables: the specimens into my organization."""
    specimens = [
        (message("Specimen")(id=i, owner_id=owner, visibility=1 + public, name="a", created_at=Timestamp()), MINE)
        for i, (owner, public) in zip(SPECIMENS, world[0], strict=True)
    ]
    for i, (one, _) in enumerate(world[1]):
        one.id = PIECES[i]
    for spec, rows in ((SPECIMEN, specimens), (PIECE, world[1])):
        connection.execute(f"TRUNCATE {spec.collection}")
        for one, organization in rows:
            row = codec_of(spec).row(one) | {"organization_id": organization, "lock_version": 1}
            columns, values = ", ".join(row), ", ".join(f"%({c})s" for c in row)
            connection.execute(f"INSERT INTO {spec.collection} ({columns}) VALUES ({values})", row)
    return specimens, world[1]


def seen(spec: ResourceSpec, rows: Sequence[Row], actor: Actor, verb: str = "Get") -> list[Any]:
    """Returns the rows that an actor may read."""
    rule = rule_for(spec.policies, verb)
    mine = [one for one, organization in rows if organization == actor.organization_id]
    return [one for one in mine if rule.allows(actor, codec_of(spec).row(one))]


def by_hand(specimen: Any, readable: Sequence[Any]) -> dict[str, Any]:
    """Returns a specimen's computed fields."""
    its = [one for one in readable if one.specimen_id == specimen.id]
    return {name: of(its, readable) for name, of in COMPUTED.items()} | {name: of(its) for name, of in LISTED.items()}


def told(name: str, one: Any) -> Any:
    """Returns a computed field of a message as `by_hand` has it."""
    field = SPECIMEN.computed[name]
    if name == "days":
        return [(b.start.ToDatetime(tzinfo=UTC), b.value if b.HasField("value") else None) for b in one.days]
    if field.descriptor.is_repeated:
        return list(getattr(one, name))
    if field.nullable and not one.HasField(name):
        return None
    value = getattr(one, name)
    if field.kind is Kind.TIMESTAMP:
        return value.ToDatetime(tzinfo=UTC)
    if name == "spread":
        return {"low": value.low, "high": value.high, "counts": list(value.counts)}
    return enum_name(field, value) if field.kind is Kind.ENUM else value


def walked(connection: psycopg.Connection[Any], actor: Actor, **asked: Any) -> list[Any]:
    """Returns what a list returns, page by page."""
    listed: list[Any] = []
    token = ""
    while True:
        request = message("ListSpecimensRequest")(page_token=token, **asked)
        page = Page(SPECIMEN, Context(actor, "ListSpecimens", "", 0.0), request, "/list", SEAL)
        found = connection.execute(*page.statement()).fetchall()
        answer = page.answer(found, list(map(page.selection.message, found)), message("ListSpecimensResponse")())
        listed += answer.specimens
        token = answer.next_page_token
        if not token:
            return listed


def literal(value: Any) -> str:
    """Returns a value as filters write it."""
    if isinstance(value, datetime):
        return f'"{value.isoformat()}"'
    return "null" if value is None else json.dumps(value)


@st.composite
def conditions(draw: Any) -> tuple[str, str, int]:
    """Returns a field, an operator, and which specimen's value the field is compared with."""
    name = draw(st.sampled_from([*COMPUTED]))
    sized = ["=", "!="] if SPECIMEN.computed[name].kind is Kind.ENUM else ["=", "!=", "<", ">="]
    return name, draw(st.sampled_from(sized)), draw(st.integers(0, len(SPECIMENS) - 1))


def holds(value: Any, operator: str, wanted: Any) -> bool:
    """Says whether a comparison holds: nothing is smaller or greater than null."""
    if operator in ("=", "!="):
        return (value == wanted) is (operator == "=")
    if value is None:
        return False
    return bool(value < wanted if operator == "<" else value >= wanted)


@settings(max_examples=tries(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds, actors, st.one_of(st.none(), conditions()), orders, st.integers(1, 3))
def test_lists_by_computed_fields_are_what_brute_force_picks(
    connection: psycopg.Connection[Any], world: Any, actor: Actor, condition: Any, keys: list[Key], size: int
) -> None:
    """Policy x tenant x filter x order x page: each field counts only the pieces that the actor may Get."""
    specimens, all_pieces = stored(connection, world)
    readable = seen(PIECE, all_pieces, actor)
    picked = seen(SPECIMEN, specimens, actor, "List")
    computed = {one.id: by_hand(one, readable) for one, _ in specimens}
    asked: dict[str, Any] = {"page_size": size, "order_by": ", ".join(map(_order, keys))}
    if condition:
        name, operator, index = condition
        wanted = computed[SPECIMENS[index]][name]
        if wanted is None and operator not in ("=", "!="):
            operator = "="
        asked["filter"] = f"{name} {operator} {literal(wanted)}"
        picked = [one for one in picked if holds(computed[one.id][name], operator, wanted)]
    for key in [Key("id", keys[-1].descending if keys else True), *reversed(keys)]:
        there = [one for one in picked if key.name == "id" or computed[one.id][key.name] is not None]
        absent = [one for one in picked if one not in there]
        there.sort(key=lambda one: computed[one.id].get(key.name, one.id), reverse=key.descending)
        picked = absent + there if key.nulls_first else there + absent
    listed = walked(connection, actor, read_mask=FieldMask(paths=["id", *COMPUTED, *LISTED]), **asked)
    assert [one.id for one in listed] == [one.id for one in picked], asked
    for one in listed:
        assert {name: told(name, one) for name in computed[one.id]} == computed[one.id]


def _order(key: Key) -> str:
    nulls = {None: "", True: " nulls first", False: " nulls last"}[key.nulls_first]
    return f"{key.name}{' desc' if key.descending else ''}{nulls}"


PUBLIC = ["", "VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"]
MEASURES = {
    "count()": len,
    "count(weight)": lambda of: len(weights(of)),
    "count_distinct(color)": lambda of: len({one.color for one in of}),
    "sum(small)": lambda of: sum(one.small for one in of),
    "sum(weight)": lambda of: sum(weights(of)),
    "avg(weight)": lambda of: mean(weights(of)),
    "min(name)": lambda of: min((one.name for one in of), default=None),
    "max(weight)": lambda of: max(weights(of), default=None),
    "max(created_at)": lambda of: max((one.created_at.ToJsonString() for one in of), default=None),
    "p50(small)": lambda of: percentile(0.5, [one.small for one in of]),
    "avg(scores.a)": lambda of: mean([one.scores["a"] for one in of if "a" in one.scores]),
    'max(scores."b.c")': lambda of: max((one.scores["b.c"] for one in of if "b.c" in one.scores), default=None),
    "sum(detail.ratio)": lambda of: sum(one.detail.ratio for one in of),
    "p99(weight)": lambda of: percentile(0.99, weights(of)),
}
# What is behind a relationship takes the specimens that the actor sees: it is looked up there.
BEHIND = "specimen.visibility"
GROUPS = {
    "color": lambda one: COLORS[one.color],
    "small": lambda one: one.small,
    "weight": lambda one: one.weight if one.HasField("weight") else None,
    "owner_id": lambda one: one.owner_id or None,
    "detail.color": lambda one: COLORS[one.detail.color] if one.HasField("detail") else None,
    "day(created_at)": lambda one: day(one).strftime("%Y-%m-%dT00:00:00Z"),
    "month(created_at)": lambda one: day(one).replace(day=1).strftime("%Y-%m-%dT00:00:00Z"),
}
FILTERS: dict[str, Any] = {
    "": lambda one: True,
    "small > 0": lambda one: one.small > 0,
    "weight = null": lambda one: not one.HasField("weight"),
}


def _ordered(value: Any) -> Any:
    """Nulls come last."""
    return (value is None, value if value is not None else 0)


@settings(max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    worlds,
    actors,
    st.lists(st.sampled_from([*GROUPS, BEHIND]), max_size=2, unique=True),
    st.sampled_from([*FILTERS]),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 2),
)
def test_aggregates_are_what_brute_force_measures(
    connection: psycopg.Connection[Any],
    world: Any,
    actor: Actor,
    group_by: list[str],
    where: str,
    archived: bool,
    limit: int,
    least: int,
) -> None:
    """Policy x tenant x filter x group x measure x having x limit: of the rows that the actor may List."""
    specimens, all_pieces = stored(connection, world)
    visible = {one.id: PUBLIC[one.visibility] for one in seen(SPECIMEN, specimens, actor)}
    share = {**GROUPS, BEHIND: lambda one: visible.get(one.specimen_id)}
    counted = [one for one in seen(PIECE, all_pieces, actor, "List") if archived or not one.HasField("archived_at")]
    counted = [one for one in counted if FILTERS[where](one)]

    def key(one: Any) -> tuple[Any, ...]:
        return tuple(_ordered(share[name](one)) for name in group_by)

    groups = [list(rows) for _, rows in groupby(sorted(counted, key=key), key)] if group_by else [counted]
    groups = [rows for rows in groups if len(rows) >= least]
    texts = [f"{text} as v{i}" for i, text in enumerate(MEASURES)]
    request = aggregate_pb2.AggregateRequest(
        measures=[*texts, "count() as size"],
        group_by=[f"{text} as k{i}" for i, text in enumerate(group_by)],
        filter=where,
        having=f"size >= {least}",
        limit=limit,
        show_archived=archived,
    )
    asked = Asked(PIECE, Context(actor, "AggregatePieces", "", 0.0), request)
    answer = asked.answer(connection.execute(*asked.statement()).fetchall(), aggregate_pb2.AggregateResponse())
    cut = groups[:limit] if limit else groups
    assert answer.truncated is (len(cut) < len(groups))
    assert [_plain(row.keys) for row in answer.rows] == [
        {f"k{i}": share[name](rows[0]) for i, name in enumerate(group_by)} for rows in cut
    ]
    assert [_plain(row.values) for row in answer.rows] == [
        {f"v{i}": MEASURES[name](rows) for i, name in enumerate(MEASURES)} | {"size": len(rows)} for rows in cut
    ]


def _plain(values: Any) -> dict[str, Any]:
    return {name: MessageToDict(value) for name, value in values.items()}


@settings(max_examples=tries(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(worlds, actors, st.integers(1, 5))
def test_histograms_are_what_brute_force_counts(
    connection: psycopg.Connection[Any], world: Any, actor: Actor, bins: int
) -> None:
    """Between the ends of all that is counted, so that the groups can be compared."""
    _, all_pieces = stored(connection, world)
    counted = seen(PIECE, all_pieces, actor, "List")
    request = aggregate_pb2.AggregateRequest(measures=[f"histogram(weight, {bins})"], show_archived=True)
    asked = Asked(PIECE, Context(actor, "AggregatePieces", "", 0.0), request)
    answer = asked.answer(connection.execute(*asked.statement()).fetchall(), aggregate_pb2.AggregateResponse())
    assert [_plain(row.values) for row in answer.rows] == [{"histogram_weight": histogram(weights(counted), bins)}]


EXTREMES = [5e-324, -5e-324, 1.7e308, -1.7e308, 1e-300, 0.0, float("inf"), float("-inf"), float("nan")]


@settings(max_examples=tries(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(EXTREMES), st.sampled_from([2**31 - 1, -(2**31)])), min_size=2, max_size=7))
def test_no_value_makes_a_measure_fail(connection: psycopg.Connection[Any], values: list[tuple[float, int]]) -> None:
    """Neither sums that overflow nor means that underflow: an error would tell of rows that nobody may see."""
    owner = Actor(ActorKind.USER, IDS[0], MINE, Role.USER)
    rows = [
        (message("Piece")(specimen_id=SPECIMENS[0], weight=w, small=s, owner_id=owner.id, created_at=Timestamp()), MINE)
        for w, s in values
    ]
    stored(connection, ([(owner.id, True)] * len(SPECIMENS), rows))
    measures = [f"{name}({field})" for name in FUNCTIONS for field in ("weight", "small")]
    request = aggregate_pb2.AggregateRequest(measures=[*measures[:17], "histogram(weight, 5)", "histogram(small)"])
    asked = Asked(PIECE, Context(owner, "AggregatePieces", "", 0.0), request)
    answer = asked.answer(connection.execute(*asked.statement()).fetchall(), aggregate_pb2.AggregateResponse())
    assert len(MessageToDict(answer)["rows"]) == 1
    for order in ("weight_sum desc", "mean_weight", "p50_weight"):
        assert len(walked(connection, owner, page_size=1, order_by=order)) == len(SPECIMENS)
