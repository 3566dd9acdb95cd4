"""Reads are what one would pick by hand, whatever the policies: random policies and field policies, row by row."""

import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from ashgrove.resource.v1 import aggregate_pb2
from filters import IDS, Filter, filters, sorted_by, specimens
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from ruling import actor_checks, composed, policies_of, reference
from sqlalchemy.schema import CreateTable

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.aggregating import Asked
from framework.engine.paging import Page
from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.policy import (
    Check,
    FieldPolicy,
    Policy,
    anyone,
    argument,
    field_policy,
    guard_of,
    is_public,
    owns,
    policy,
    relates_to,
    shares_organization,
)
from framework.policy.act_checks import ActCheck
from framework.policy.explaining import verdict_of
from framework.policy.row_checks import Reaches
from framework.query import Key, Seal
from framework.resource import ResourceSpec, spec_of
from framework.storage import codec_of, table_of
from framework.storage.tables import DIALECT
from framework.testing.specimen import Piece, Specimen, message
from tests.tries import tries

SPEC = spec_of(Specimen)
ORGANIZATIONS = [UUID(int=100), UUID(int=101)]
SEAL = Seal(secrets.token_bytes(32))
EVERYTHING = Filter("", lambda one: True)
OF_PIECE = relates_to("favourite.owner_id")
PIECES = {UUID(int=200 + n): owner for n, owner in enumerate([*IDS, None])}
"""The owners of the pieces that there are."""
actors = st.builds(
    Actor,
    kind=st.just(ActorKind.USER),
    id=st.sampled_from(IDS),
    organization_id=st.sampled_from(ORGANIZATIONS),
    role=st.sampled_from(list(Role)),
    delegate=st.sampled_from(["", "optimizer"]),
)
of_rows = [owns, is_public, shares_organization, relates_to("favourite_id"), OF_PIECE]
field_checks = composed(st.one_of(st.sampled_from(of_rows), actor_checks), 4)
list_checks = composed(
    st.one_of(st.sampled_from([*of_rows, argument("page_size", 2), argument("filter")]), actor_checks), 4
)
GUARDED = ["name", "color", "small", "ratio", "flag", "owner_id", "ended_at", "hint", "weight"]
INSIDE = ["detail", "free", "tags"]
field_policies = st.lists(
    st.builds(
        lambda names, check: field_policy(*names, allow=check),
        st.lists(st.sampled_from([*GUARDED, *INSIDE]), min_size=1, max_size=4, unique=True),
        field_checks,
    ),
    max_size=3,
)
rows = st.lists(
    st.tuples(
        specimens,
        st.sampled_from([*ORGANIZATIONS, ORGANIZATIONS[0]]),
        st.sampled_from(["", *IDS, *map(str, PIECES)]),
    ),
    min_size=1,
    max_size=5,
)
orders = st.lists(
    st.builds(lambda n, down, first: Key(n, down, first), st.sampled_from(GUARDED), st.booleans(), st.booleans()),
    max_size=3,
    unique_by=lambda key: key.path,
)
_READS = policy("List", allow=anyone)
list_policies = st.one_of(
    st.just([_READS]),
    policies_of(list_checks, 3).map(lambda some: [*some, _READS]),
    policies_of(list_checks, 3),
)
Stood = list[tuple[Any, UUID]]
EXAMPLES = settings(max_examples=tries(200), deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        for table in (table_of(SPEC), table_of(spec_of(Piece))):
            sql = str(CreateTable(table).compile(dialect=DIALECT))
            made.execute(sql.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        for organization in ORGANIZATIONS:
            for identifier, owner in PIECES.items():
                made.execute(
                    """INSERT INTO pieces (id, organization_id, owner_id, created_at, name, color, small, visibility,
                                           secret, lock_version)
                       VALUES (%(i)s, %(o)s, %(p)s, now(), '', '', 0, '', '', 1)""",
                    {"i": identifier, "o": organization, "p": owner},
                )
        yield made


def stored(connection: psycopg.Connection[Any], given_rows: list[tuple[Any, UUID, str]]) -> Stood:
    """Puts messages into the table, each with an id of its own."""
    connection.execute("TRUNCATE specimens")
    for one, organization, favourite in given_rows:
        one.id, one.favourite_id = str(new_id()), favourite
        row = codec_of(SPEC).row(one) | {"organization_id": organization, "lock_version": 1}
        columns, values = ", ".join(row), ", ".join(f"%({c})s" for c in row)
        connection.execute(f"INSERT INTO specimens ({columns}) VALUES ({values})", row)
    return [(one, organization) for one, organization, _ in given_rows]


class Seen:
    """A specimen as somebody sees it: what is kept from them is as absent as null."""

    def __init__(self, one: Any, kept: set[str]) -> None:
        self.one = one
        self.kept = kept
        self.DESCRIPTOR = one.DESCRIPTOR

    def HasField(self, name: str) -> bool:
        return name not in self.kept and bool(self.one.HasField(name))

    def __getattr__(self, name: str) -> Any:
        if name not in self.kept:
            return getattr(self.one, name)
        descriptor = self.DESCRIPTOR.fields_by_name[name]
        holds_many = descriptor.is_repeated or descriptor.message_type is not None
        return getattr(type(self.one)(), name) if holds_many else None


class World:
    """What one would answer by hand, knowing every row."""

    def __init__(self, spec: ResourceSpec, context: Context) -> None:
        self.spec = spec
        self.context = context

    def says(self, check: Check, one: Any, organization: UUID) -> bool:
        """Answers a check leaf by leaf; related rows are looked up, the request is read."""
        row = codec_of(SPEC).row(one) | {"organization_id": organization}

        def answer(leaf: Check) -> bool:
            if isinstance(leaf, ActCheck):
                return leaf.ask(self.context) is True
            if isinstance(leaf, Reaches):
                return PIECES.get(row["favourite_id"] or UUID(int=0)) == self.context.actor.id
            return leaf.holds(self.context.actor, row) is True

        return verdict_of(check, answer).verdict is True

    def seen(self, one: Any, organization: UUID) -> Seen | None:
        """Returns a row as it may be seen, None when it may not."""
        if organization != self.context.actor.organization_id:
            return None
        if not reference(self.spec.policies, "List", lambda check: self.says(check, one, organization)):
            return None
        policies: list[FieldPolicy] = list(self.spec.field_policies)
        kept = {n for p in policies if not self.says(p.allow, one, organization) for n in p.fields}
        return Seen(one, kept)


def _asked(key: Key, spec: ResourceSpec, guarded: Mapping[str, Any]) -> tuple[str, Key]:
    """Returns a key as it is written, and as it is meant: nulls have their place wherever there may be any."""
    direction = " desc" if key.descending else ""
    if spec.fields[key.name].nullable:
        return f"{key.name}{direction} nulls {'first' if key.nulls_first else 'last'}", key
    return f"{key.name}{direction}", key._replace(nulls_first=False if key.name in guarded else None)


def _sorted(seen: list[Seen], keys: list[Key]) -> list[Seen]:
    for key in [Key("id", keys[-1].descending if keys else True), *reversed(keys)]:
        there = [one for one in seen if sorted_by(one, key.path) is not None]
        absent = [one for one in seen if sorted_by(one, key.path) is None]
        # In reverse, Python keeps equal elements in their order, as it must.
        there.sort(key=lambda one: sorted_by(one, key.path), reverse=key.descending)
        seen = absent + there if key.nulls_first else there + absent
    return seen


def _names(text: str, hidden: frozenset[str]) -> bool:
    return any(re.search(rf'(?<![\w."]){name}(?![\w"])', text) for name in hidden)


@EXAMPLES
@given(
    rows,
    actors,
    list_policies,
    field_policies,
    st.one_of(filters, st.just(EVERYTHING), st.just(EVERYTHING)),
    orders,
    st.integers(1, 3),
)
def test_lists_are_what_the_policies_say_row_by_row(
    connection: psycopg.Connection[Any],
    given_rows: list[tuple[Any, UUID, str]],
    actor: Actor,
    policies: list[Policy],
    fields: list[FieldPolicy],
    wanted: Filter,
    keys: list[Key],
    size: int,
) -> None:
    """Page by page: rows, order, what each row shows, what it names as forbidden; what is never shown is unknown."""
    spec = replace(SPEC, policies=tuple(policies), field_policies=tuple(fields))
    guard = guard_of(spec, actor)
    pairs = [_asked(key, spec, guard.dependent) for key in keys]
    order, meant = ", ".join(text for text, _ in pairs), [key for _, key in pairs]
    asked = {"filter": wanted.text, "order_by": order, "page_size": size}
    request = message("ListSpecimensRequest")(**asked)
    context = Context(actor, "ListSpecimens", "", 0.0, arguments=request)
    stood = stored(connection, given_rows)
    if _names(wanted.text, guard.hidden) or _names(order, guard.hidden):
        with pytest.raises(InvalidFields):
            Page(spec, context, request, "/list", SEAL).statement()
        return
    world = World(spec, context)
    every = [seen for one, organization in stood if (seen := world.seen(one, organization))]
    expected = _sorted([seen for seen in every if wanted.holds(seen)], meant)
    listed: list[Any] = []
    while True:
        page = Page(spec, replace(context, arguments=request), request, "/list", SEAL)
        found = connection.execute(*page.statement()).fetchall()
        assert not any(row.get(name) is not None for row in found for name in guard.hidden)
        answer = page.answer(found, list(map(page.selection.message, found)), message("ListSpecimensResponse")())
        listed += answer.specimens
        assert len(listed) <= len(stood), "every row at most once"
        if not answer.next_page_token:
            break
        request = message("ListSpecimensRequest")(page_token=answer.next_page_token, **asked)
    assert [one.id for one in listed] == [seen.one.id for seen in expected], (asked, policies, fields)
    for one, seen in zip(listed, expected, strict=True):
        shown = type(one)()
        shown.CopyFrom(seen.one)
        for name in seen.kept:
            shown.ClearField(name)
        shown.forbidden_fields.extend(sorted(seen.kept))
        shown.etag = "1"
        assert one == shown, (fields, actor)


@EXAMPLES
@given(rows, actors, field_policies, st.sampled_from(["color", "flag", "hint", "owner_id"]))
def test_aggregates_count_and_group_what_is_shown(
    connection: psycopg.Connection[Any],
    given_rows: list[tuple[Any, UUID, str]],
    actor: Actor,
    fields: list[FieldPolicy],
    group: str,
) -> None:
    """A value that is kept is in no sum, no extreme, no count and no group but that of the absent."""
    spec = replace(SPEC, field_policies=tuple(fields))
    request = aggregate_pb2.AggregateRequest(
        measures=["count() as n", "count(small) as known", "sum(small) as total", "max(weight) as heaviest"],
        group_by=[group],
        order_by="n desc",
        having="known >= 0",
    )
    context = Context(actor, "AggregateSpecimens", "", 0.0, arguments=request)
    stood = stored(connection, given_rows)
    if guard_of(spec, actor).hidden & {"small", "weight", group}:
        with pytest.raises(InvalidFields):
            Asked(spec, context, request)
        return
    found = connection.execute(*Asked(spec, context, request).statement()).fetchall()
    told = {row["k0"]: tuple(row[f"v{i}"] for i in range(4)) for row in found}
    world = World(spec, context)
    groups: dict[Any, list[Seen]] = {}
    for one, organization in stood:
        seen = world.seen(one, organization)
        if seen is not None:
            key = sorted_by(seen, (group,))
            groups.setdefault(UUID(key) if group == "owner_id" and key else key, []).append(seen)
    assert told == {key: _measured(members) for key, members in groups.items()}


def _measured(members: list[Seen]) -> tuple[Any, ...]:
    small = [one.small for one in members if one.small is not None]
    weights = [one.weight for one in members if one.HasField("weight")]
    return len(members), len(small), sum(small), max(weights, default=None)
