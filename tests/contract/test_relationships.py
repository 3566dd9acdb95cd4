"""Every declared relationship is included, filtered and sorted by alike, whatever resource declares it."""

from typing import Any
from uuid import UUID

import pytest
from planting import planted
from subjects import EVERY

from framework.call import Actor
from framework.engine.reading import load
from framework.errors import Failure, InvalidFields, NotFound
from framework.resource import MethodSpec, Registry, Relationship, ResourceSpec
from framework.testing.counting import counted
from framework.testing.workbench import Workbench

Pair = tuple[Registry, ResourceSpec]


def has(pair: Pair, verb: str) -> bool:
    """Says whether a resource can be read so."""
    return any(m.resource is pair[1] and m.verb == verb for m in pair[0].methods.values())


def over(found: list[tuple[Pair, Relationship]]) -> Any:
    """Returns the mark that runs a test over some relationships."""
    names = [f"{registry.service}.{spec.noun}.{one.name}" for (registry, spec), one in found]
    return pytest.mark.parametrize(("pair", "one"), found, ids=names)


EDGES = [(pair, one) for pair in EVERY for one in pair[1].relationships.values()]
edges = over(EDGES)
listed = over([(pair, one) for pair, one in EDGES if has(pair, "List")])
paged = over([(pair, one) for pair, one in EDGES if one.many and has(pair, "Get")])
archived = over([(pair, one) for pair, one in EDGES if one.target.archivable])


class Edge:
    """A row and three that its relationship leads to, one where there is but one; all of them the user's."""

    def __init__(self, bench: Workbench, spec: ResourceSpec, one: Relationship) -> None:
        self.bench = bench
        self.spec = spec
        self.one = one
        self.row: dict[str, Any] = {}
        self.ids: list[str] = []

    async def plant(self) -> "Edge":
        async with self.bench.database.system() as tx:
            if self.one.many:
                self.row = await self._put(tx, self.spec)
            key = {self.one.key: self.row["id"]} if self.one.many else {}
            related = [await self._put(tx, self.one.target, **key) for _ in range(3 if self.one.many else 1)]
            if not self.one.many:
                self.row = await self._put(tx, self.spec, **{self.one.key: related[0]["id"]})
        self.ids = [str(row["id"]) for row in related]
        return self

    async def _put(self, tx: Any, spec: ResourceSpec, **columns: Any) -> dict[str, Any]:
        owner = {spec.storage.owner: UUID(self.bench.user.id)} if spec.storage.owner else {}
        registry, organization = self.bench.registry, self.bench.organization_id
        return await planted(tx, registry, spec, organization, **owner, **columns)

    def method(self, verb: str) -> MethodSpec | None:
        methods = self.bench.registry.methods.values()
        return next((m for m in methods if m.resource is self.spec and m.verb == verb), None)

    async def read(self, actor: Actor, include: str) -> Any:
        """Returns the row as a Get answers it, as a list does where there is no Get."""
        if method := self.method("Get"):
            request: Any = method.request_class(id=str(self.row["id"]), include=[include])
            return await self.bench.do(method.name, request, actor)
        found = [m for m in await self.listed(actor, include=[include]) if m.id == str(self.row["id"])]
        if not found:
            raise NotFound(self.spec.singular, str(self.row["id"]))
        return found[0]

    async def listed(self, actor: Actor, **asked: Any) -> list[Any]:
        """Returns a page of the rows beside this one."""
        method = self.method("List")
        assert method is not None
        request: Any = method.request_class(page_size=1000, **asked)
        for field in method.request_class.DESCRIPTOR.fields:
            if field.name in self.row:
                setattr(request, field.name, str(self.row[field.name]))
        return list(getattr(await self.bench.do(method.name, request, actor), self.spec.collection))

    async def got(self, actor: Actor, shown: list[Any]) -> list[Any]:
        """Returns related resources as a Get answers them, as they are where there is no Get."""
        methods = self.bench.registry.methods.values()
        method = next((m for m in methods if m.resource is self.one.target and m.verb == "Get"), None)
        if method is None:
            return shown
        return [await self.bench.do(method.name, method.request_class(id=one.id), actor) for one in shown]

    async def readable(self, actor: Actor) -> list[str]:
        """Returns which of the related rows the actor may read."""
        found = []
        async with self.bench.database.tenant(actor.organization_id) as tx:
            for identifier in self.ids:
                try:
                    await load(tx, self.one.target, self.bench.context(actor, "Get"), identifier, "Get")
                except Failure:
                    continue
                found.append(identifier)
        return found


def resources_in(message: Any, target: ResourceSpec) -> list[Any]:
    """Returns the included resources, each of the type that the relationship leads to."""
    (included,) = message.included
    found = []
    for packed in included.resources:
        one: Any = target.message()
        assert packed.Unpack(one)
        found.append(one)
    return found


def ids_in(message: Any, target: ResourceSpec) -> list[str]:
    """Returns the ids of the included resources."""
    return [one.id for one in resources_in(message, target)]


@pytest.fixture
async def edge(bench: Workbench, pair: Pair, one: Relationship) -> Edge:
    return await Edge(bench, pair[1], one).plant()


@edges
async def test_what_is_included_is_what_the_caller_may_read(edge: Edge, bench: Workbench) -> None:
    """For everybody who may read the row itself, field by field as a Get shows it."""
    for actor in (bench.admin, bench.user, bench.colleague, bench.viewer):
        try:
            found = await edge.read(actor, f'{edge.one.name}(order_by="id")')
        except NotFound:
            assert actor is not bench.admin
        else:
            assert found.included[0].relationship == edge.one.name
            shown = resources_in(found, edge.one.target)
            assert [one.id for one in shown] == sorted(await edge.readable(actor))
            assert shown == await edge.got(actor, shown)
    with pytest.raises(NotFound):
        await edge.read(bench.elsewhere().admin, edge.one.name)


@listed
async def test_each_relationship_is_one_statement(edge: Edge, bench: Workbench) -> None:
    """However many rows the page has."""
    with counted(bench.database) as plain:
        await edge.listed(bench.admin)
    with counted(bench.database) as included:
        rows = await edge.listed(bench.admin, include=[edge.one.name])
    assert len(included) == len(plain) + 1
    assert all(len(row.included) == 1 for row in rows)


@paged
async def test_included_pages_go_on(edge: Edge, bench: Workbench) -> None:
    """With their token, in a Get of the same row, until all were there; each is as long as asked."""
    walked: list[str] = []
    more = ""
    while True:
        found = await edge.read(bench.admin, f'{edge.one.name}(order_by="id desc", page_size=2{more})')
        walked += ids_in(found, edge.one.target)
        if not found.included[0].next_page_token:
            break
        assert len(found.included[0].resources) == 2
        more = f', page_token="{found.included[0].next_page_token}"'
    assert walked == sorted(edge.ids, reverse=True)


@listed
async def test_filters_and_orders_go_through_it(edge: Edge, bench: Workbench) -> None:
    """A row is found by what belongs to it, and not by what does not."""
    name, mine = edge.one.name, str(edge.row["id"])
    for text, found in (
        (f'{name}.id = "{edge.ids[0]}"', True),
        (f'{name}.id = "{mine}"', False),
        (f'{name}:* AND id = "{mine}"', True),
        (f'NOT {name}:* AND id = "{mine}"', False),
    ):
        assert (mine in {row.id for row in await edge.listed(bench.admin, filter=text)}) is found, text
    orders = [f"{name}.id desc nulls first, id"]
    if edge.one.many:
        with pytest.raises(InvalidFields):
            await edge.listed(bench.admin, order_by=orders[0])
    else:
        assert mine in {row.id for row in await edge.listed(bench.admin, order_by=orders[0])}


@archived
async def test_archived_rows_are_not_included(edge: Edge, bench: Workbench) -> None:
    """As lists hide them."""
    target = edge.one.target
    async with bench.database.system() as tx:
        sql = f"UPDATE {target.collection} SET archived_at = now() WHERE id = %(id)s"
        await tx.execute(sql, {"id": edge.ids[0]})
    found = await edge.read(bench.admin, f'{edge.one.name}(order_by="id")')
    assert ids_in(found, target) == sorted(edge.ids[1:])


def test_there_are_relationships_of_every_service_that_has_two_resources() -> None:
    """Otherwise the tests above would hold of nothing."""
    assert len(EDGES) >= 20
