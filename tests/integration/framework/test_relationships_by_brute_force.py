"""What relationships lead to is what one would gather by hand, for any rows, tenants, actors, filters and orders.

Included pages, EXISTS in filters and orders by one related row are read together, in lists of specimens with pieces.
"""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from filters import IDS, quoted, sorted_by
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from sqlalchemy.schema import CreateTable

from framework.call import Actor, ActorKind, Context, Role
from framework.engine.including import Edge, edges_of
from framework.engine.paging import Page
from framework.errors import InvalidFields
from framework.identifiers import new_id
from framework.policy import rule_for
from framework.query import Key, Seal
from framework.resource import ResourceSpec, spec_of
from framework.storage import codec_of, table_of
from framework.storage.tables import DIALECT
from framework.testing.specimen import Piece, Specimen, message, registry
from tests.tries import tries

registry()
WHOLE, PART = spec_of(Specimen), spec_of(Piece)
ORGANIZATIONS = [UUID(int=100), UUID(int=101)]
SEAL = Seal(secrets.token_bytes(32))
NAMES = ["", "a", "B", "ab"]


@dataclass
class World:
    """Rows as they are stored: what an actor may read of them, and what belongs to what."""

    wholes: list[Any]
    parts: list[Any]
    home: dict[str, UUID]
    """The organization of each row, by its id."""
    actor: Actor

    def sees(self, spec: ResourceSpec, one: Any) -> bool:
        """Says whether the actor may read a row."""
        rule = rule_for(spec.policies, "Get")
        mine = self.home[one.id] == self.actor.organization_id
        return mine and rule.allows(self.actor, codec_of(spec).row(one))

    def led(self, one: Any, name: str) -> list[Any]:
        """Returns the rows that a relationship of a row leads to, as far as the actor may read them."""
        spec = WHOLE if one.DESCRIPTOR.name == "Specimen" else PART
        relationship = spec.relationships[name]
        mine, its = relationship.ends
        rows = self.wholes if relationship.target is WHOLE else self.parts
        belonging = [other for other in rows if getattr(one, mine) and getattr(other, its) == getattr(one, mine)]
        return [other for other in belonging if self.sees(relationship.target, other)]


Meaning = Callable[[World, Any], bool]


@dataclass(frozen=True)
class Question:
    """The text of a filter and its meaning in a world."""

    text: str
    holds: Meaning


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


visibilities = st.sampled_from(["VISIBILITY_PRIVATE", "VISIBILITY_PUBLIC"])
pieces = _some(
    name=st.sampled_from(NAMES),
    small=st.sampled_from([-1, 0, 3]),
    weight=st.sampled_from([0, 1.5, 2]),
    detail=_some(text=st.sampled_from(NAMES), big=st.sampled_from([0, 7]), note=st.sampled_from(NAMES)),
    scores=st.dictionaries(st.sampled_from(["a", "b.c"]), st.sampled_from([0, 0.5, 2]), max_size=2),
    owner_id=st.sampled_from(IDS),
    visibility=visibilities,
    archived_at=st.just("2020-01-01T00:00:00Z"),
)
specimens = _some(name=st.sampled_from(NAMES), owner_id=st.sampled_from(IDS), visibility=visibilities)
indexes = st.one_of(st.none(), st.integers(0, 3))
worlds = st.tuples(
    st.lists(st.tuples(specimens, indexes, st.integers(0, 2)), min_size=1, max_size=4),
    st.lists(st.tuples(pieces, indexes, indexes, st.integers(0, 2)), max_size=8),
    st.builds(
        Actor,
        kind=st.just(ActorKind.USER),
        id=st.sampled_from(IDS),
        organization_id=st.sampled_from(ORGANIZATIONS),
        role=st.sampled_from([Role.ADMIN, Role.USER, Role.USER]),
    ),
)


def _leaf(text: str, holds: Callable[[Any], bool]) -> Question:
    return Question(text, lambda _, one: holds(one))


named = st.sampled_from(NAMES).map(lambda v: _leaf(f"name = {quoted(v)}", lambda one: one.name == v))
of_pieces = st.one_of(
    named,
    st.sampled_from(NAMES).map(lambda v: _leaf(f"name != {quoted(v)}", lambda one: one.name != v)),
    st.sampled_from([0, 3]).map(lambda v: _leaf(f"small >= {v}", lambda one: one.small >= v)),
    st.just(_leaf("weight = null", lambda one: not one.HasField("weight"))),
    st.just(_leaf("weight != 1.5", lambda one: not (one.HasField("weight") and one.weight == 1.5))),
    st.just(_leaf("archived_at = null", lambda one: not one.HasField("archived_at"))),
    st.just(_leaf("detail.note != null", lambda one: one.detail.HasField("note"))),
    st.just(_leaf('scores."b.c" > 0', lambda one: one.scores.get("b.c", 0) > 0)),
)


def _through(name: str, inner: Question, *, many: bool) -> Question:
    """Some related row is so; of one at most, `!=` holds where `=` does not."""
    if not many and " != " in inner.text:
        opposite = Question(inner.text, lambda world, one: not inner.holds(world, one))
        return Question(
            f"{name}.{inner.text}",
            lambda world, one: not any(opposite.holds(world, other) for other in world.led(one, name)),
        )
    return Question(
        f"{name}.{inner.text}", lambda world, one: any(inner.holds(world, other) for other in world.led(one, name))
    )


def _there(name: str) -> Question:
    return Question(f"{name}:*", lambda world, one: bool(world.led(one, name)))


deeper = st.one_of(
    of_pieces,
    st.just(_there("parent")),
    st.just(_there("specimen")),
    of_pieces.map(lambda q: _through("parent", q, many=False)),
    of_pieces.map(lambda q: _through("parts", q, many=True)),
    named.map(lambda q: _through("specimen", q, many=False)),
)
leaves = st.one_of(
    named,
    st.sampled_from(["pieces", "favourite"]).map(_there),
    deeper.map(lambda q: _through("pieces", q, many=True)),
    deeper.map(lambda q: _through("favourite", q, many=False)),
)
questions = st.one_of(
    leaves,
    leaves.map(lambda q: Question(f"NOT {q.text}", lambda world, one: not q.holds(world, one))),
    st.builds(
        lambda a, b: Question(f"({a.text} OR -{b.text})", lambda w, one: a.holds(w, one) or not b.holds(w, one)),
        leaves,
        leaves,
    ),
)
of_specimens = st.sampled_from(
    [("name",), ("favourite", "name"), ("favourite", "parent", "small"), ("favourite", "id"), ("piece_count",)]
)
of_parts = st.sampled_from(
    [("name",), ("small",), ("weight",), ("detail", "big"), ("detail", "note"), ("scores", "b.c"), ("parent", "name")]
)


def keys(paths: st.SearchStrategy[tuple[str, ...]], always: tuple[str, ...]) -> st.SearchStrategy[list[Key]]:
    """Returns orders; nulls have a place unless the path names a field that always has a value."""

    def key(path: tuple[str, ...], down: bool, first: bool) -> Key:
        return Key(path[0], down, None if path[0] in always else first, path[1:])

    return st.lists(st.builds(key, paths, st.booleans(), st.booleans()), max_size=2, unique_by=lambda k: k.path)


def order_text(keys: list[Key]) -> str:
    """Returns keys as an `order_by`."""
    nulls = {None: "", True: " nulls first", False: " nulls last"}
    paths = [".".join([k.name, *(quoted(name) for name in k.inner)]) for k in keys]
    return ", ".join(f"{p}{' desc' * k.descending}{nulls[k.nulls_first]}" for p, k in zip(paths, keys, strict=True))


def _value(world: World, one: Any, path: tuple[str, ...]) -> Any:
    if path[0] == "piece_count":
        return len(world.led(one, "pieces"))
    if path[0] in ("favourite", "parent"):
        found = world.led(one, path[0])
        return _value(world, found[0], path[1:]) if found else None
    return sorted_by(one, path)


def in_order(world: World, rows: list[Any], keys: list[Key]) -> list[Any]:
    """Returns rows as one would put them, nulls where the keys say, the id last."""
    last = Key("id", keys[-1].descending if keys else True)
    for key in [last, *reversed(keys)]:
        there = [one for one in rows if _value(world, one, key.path) is not None]
        absent = [one for one in rows if _value(world, one, key.path) is None]
        there.sort(key=lambda one: _value(world, one, key.path), reverse=key.descending)
        rows = absent + there if key.nulls_first else there + absent
    return rows


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres_url, row_factory=dict_row, autocommit=True) as made:
        for spec in (WHOLE, PART):
            create = str(CreateTable(table_of(spec)).compile(dialect=DIALECT))
            made.execute(create.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"))
        yield made


def stored(connection: psycopg.Connection[Any], drawn: Any) -> World:
    """Puts rows into the tables; an index that names no row leaves its id empty."""
    given_wholes, given_parts, actor = drawn
    connection.execute("TRUNCATE specimens, pieces")
    stamp = {"seconds": 0}
    wholes = [ParseDict(data, message("Specimen")(id=str(new_id()), created_at=stamp)) for data, _, _ in given_wholes]
    parts = [ParseDict(data, message("Piece")(id=str(new_id()), created_at=stamp)) for data, _, _, _ in given_parts]
    for one, (_, favourite, _) in zip(wholes, given_wholes, strict=True):
        one.favourite_id = _id_at(parts, favourite)
    for one, (_, whole, parent, _) in zip(parts, given_parts, strict=True):
        one.specimen_id, one.parent_id = _id_at(wholes, whole), _id_at(parts, parent)
    places = [place for *_, place in (*given_wholes, *given_parts)]
    home = {one.id: ORGANIZATIONS[place // 2] for one, place in zip([*wholes, *parts], places, strict=True)}
    for spec, rows in ((WHOLE, wholes), (PART, parts)):
        for one in rows:
            row = codec_of(spec).row(one) | {"organization_id": home[one.id], "lock_version": 1}
            columns, values = ", ".join(row), ", ".join(f"%({c})s" for c in row)
            connection.execute(f"INSERT INTO {spec.collection} ({columns}) VALUES ({values})", row)
    return World(wholes, parts, home, actor)


def _id_at(rows: list[Any], index: int | None) -> str:
    return rows[index].id if index is not None and index < len(rows) else ""


class Asking:
    """As much of a call as reads need, counting its statements."""

    def __init__(self, connection: psycopg.Connection[Any], actor: Actor) -> None:
        self.connection = connection
        self.context = Context(actor, "ListSpecimens", "", 0.0)
        self.engine = SimpleNamespace(seal=SEAL)
        self.statements = 0

    def reads(self) -> "Asking":
        return self

    async def fetch(self, sql: str, params: Any) -> list[dict[str, Any]]:
        self.statements += 1
        return self.connection.execute(sql, params).fetchall()


async def listed(asking: Asking, **asked: Any) -> list[Any]:
    """Returns what a list returns, page by page: each page takes one statement, and one for each relationship."""
    found: list[Any] = []
    token = ""
    while True:
        request = message("ListSpecimensRequest")(page_token=token, **asked)
        page = Page(WHOLE, asking.context, request, "/list", SEAL)
        before = asking.statements
        rows = await asking.fetch(*page.statement())
        messages = await page.selection.messages(asking, rows[: page.size])  # type: ignore[arg-type]
        assert asking.statements - before <= 1 + len(request.include)
        answer = page.answer(rows, messages, message("ListSpecimensResponse")())
        found += answer.specimens
        token = answer.next_page_token
        if not token:
            return found


async def gone_on(asking: Asking, one: Any, text: str, included: Any) -> list[str]:
    """Returns the ids of an included page and of all that follow it, each asked for by the token of the last."""
    ids = [_unpacked(resource).id for resource in included.resources]
    while included.next_page_token:
        again = text.removesuffix(")") + f", page_token={quoted(included.next_page_token)})"
        request = message("GetSpecimenRequest")(id=one.id, include=[again])
        (edge,) = edges_of(WHOLE, asking.context, request, alone=True)
        holder = message("Specimen")()
        await edge.fill(asking, [{edge.key: _key(edge, one)}], [holder])  # type: ignore[arg-type]
        (included,) = holder.included
        assert len(included.resources) > 0
        ids += [_unpacked(resource).id for resource in included.resources]
    return ids


def _key(edge: Edge, one: Any) -> UUID:
    return UUID(getattr(one, edge.key))


def _unpacked(packed: Any) -> Any:
    made = message(packed.TypeName().rpartition(".")[2])()
    assert packed.Unpack(made)
    return made


@settings(max_examples=tries(300), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    worlds,
    st.one_of(questions, st.just(Question("", lambda world, one: True))),
    keys(of_specimens, ("name", "piece_count")),
    st.one_of(of_pieces, st.just(Question("", lambda world, one: True))),
    keys(of_parts, ("name", "small")),
    st.integers(1, 3),
)
async def test_lists_with_what_belongs_to_them_are_what_brute_force_gathers(
    connection: psycopg.Connection[Any],
    drawn: Any,
    wanted: Question,
    order: list[Key],
    inner: Question,
    inner_order: list[Key],
    size: int,
) -> None:
    """Counted, masked, and each with its own exact page of pieces, archived ones hidden, and the pages that follow."""
    world = stored(connection, drawn)
    asking = Asking(connection, world.actor)
    text = f"pieces(filter={quoted(inner.text)}, order_by={quoted(order_text(inner_order))}, page_size={size})"
    asked = {"filter": wanted.text, "order_by": order_text(order), "page_size": 2, "include": [text, "favourite"]}
    asked["read_mask"] = FieldMask(paths=["id", "piece_count"])
    found = await listed(asking, **asked)
    picked = [one for one in world.wholes if world.sees(WHOLE, one) and wanted.holds(world, one)]
    assert [one.id for one in found] == [one.id for one in in_order(world, picked, order)], asked
    for one, whole in zip(found, in_order(world, picked, order), strict=True):
        assert one.piece_count == len(world.led(whole, "pieces")) and not one.name
        many, single = one.included
        assert (many.relationship, single.relationship) == ("pieces", "favourite")
        mine = [p for p in world.led(whole, "pieces") if inner.holds(world, p) and not p.HasField("archived_at")]
        expected = [piece.id for piece in in_order(world, mine, inner_order)]
        assert [_unpacked(p).id for p in many.resources] == expected[:size], asked
        assert await gone_on(asking, one, text, many) == expected, asked
        liked = [piece for piece in world.led(whole, "favourite") if not piece.HasField("archived_at")]
        assert [_unpacked(p) for p in single.resources] == liked


async def test_what_is_absent_differs_and_many_are_asked_one_by_one(connection: psycopg.Connection[Any]) -> None:
    """Through one and then many: some part of the favourite differs, or there is no favourite."""
    mine = {"owner_id": IDS[0]}
    actor = Actor(ActorKind.USER, IDS[0], ORGANIZATIONS[0], Role.USER)
    pieces = [(mine, None, None, 0), (mine | {"name": "a"}, None, 0, 0), (mine | {"name": "B"}, None, 0, 0)]
    pieces += [(mine, None, None, 0), (mine | {"name": "a"}, None, 3, 0)]
    world = stored(connection, ([(mine, 0, 0), (mine, 3, 0), (mine, None, 0)], pieces, actor))
    both, only_a, nothing = (one.id for one in world.wholes)
    for text, expected in (
        ('favourite.parts.name != "a"', {both, nothing}),
        ('favourite.parts.name = "a"', {both, only_a}),
        ('NOT favourite.parts.name = "a"', {nothing}),
        ('NOT favourite.parts.name != "a"', {only_a}),
        ('favourite.parts.name != "a" AND favourite:*', {both}),
    ):
        assert {one.id for one in await listed(Asking(connection, actor), filter=text)} == expected, text


async def test_an_included_page_goes_on_for_its_own_row_only(connection: psycopg.Connection[Any]) -> None:
    """Nor with another filter, order, caller or tenant; nor in a list."""
    owner, part = {"owner_id": IDS[0], "name": "a"}, {"owner_id": IDS[0], "small": 3}
    actor = Actor(ActorKind.USER, IDS[0], ORGANIZATIONS[0], Role.USER)
    world = stored(connection, ([(owner, None, 0), (owner, None, 0)], [(part, 0, None, 0), (part, 0, None, 0)], actor))
    first, second = world.wholes
    found = await listed(Asking(connection, actor), include=["pieces(page_size=1)"])
    token = next(one.included[0].next_page_token for one in found if one.id == first.id)
    assert token

    async def goes_on(actor: Actor, one: Any, more: str = "", key: str = token) -> list[str]:
        asking = Asking(connection, actor)
        request = message("GetSpecimenRequest")(id=one.id, include=[f'pieces(page_size=1, page_token="{key}"{more})'])
        (edge,) = edges_of(WHOLE, asking.context, request, alone=True)
        holder = message("Specimen")()
        await edge.fill(asking, [{"id": UUID(one.id)}], [holder])  # type: ignore[arg-type]
        return [_unpacked(packed).id for packed in holder.included[0].resources]

    assert len(await goes_on(actor, first)) == 1
    colleague = Actor(ActorKind.USER, IDS[1], ORGANIZATIONS[0], Role.ADMIN)
    stranger = Actor(ActorKind.USER, IDS[0], ORGANIZATIONS[1], Role.USER)
    edited = token[:20] + ("A" if token[20] != "A" else "B") + token[21:]
    for whom, one, more, key in [
        (actor, second, "", token),
        (colleague, first, "", token),
        (stranger, first, "", token),
        (actor, first, ', filter="small = 3"', token),
        (actor, first, ', order_by="small"', token),
        (actor, first, "", edited),
    ]:
        with pytest.raises(InvalidFields) as refused:
            await goes_on(whom, one, more, key)
        assert [v.path for v in refused.value.violations] == ["include[0]"]
    with pytest.raises(InvalidFields) as refused:
        await listed(Asking(connection, actor), include=[f'pieces(page_token="{token}")'])
    assert "go on with GetSpecimen" in refused.value.violations[0].message


async def test_a_bound_bounds_what_reads_reach(connection: psycopg.Connection[Any]) -> None:
    """Neither filters, nor orders, nor includes lead to rows that a grant or scopes do not let one read."""
    owner, part = {"owner_id": IDS[0]}, {"owner_id": IDS[0], "name": "a"}
    bounds = [({"GetSpecimen", "ListSpecimens"}, 0), ({"ListSpecimens", "ListPieces"}, 1), (None, 1)]
    bounds += [({"specimens:read", "pieces:write"}, 0), ({"specimens:read", "pieces:*"}, 1), ({"*:read"}, 1)]
    for rpcs, reached in bounds:
        actions = None if rpcs is None else frozenset(rpcs)
        actor = Actor(ActorKind.USER, IDS[0], ORGANIZATIONS[0], Role.USER, actions=actions)
        stored(connection, ([(owner, None, 0)], [(part, 0, None, 0)], actor))
        (one,) = await listed(Asking(connection, actor), include=["pieces"])
        assert len(one.included[0].resources) == reached
        assert len(await listed(Asking(connection, actor), filter="pieces:*")) == reached
