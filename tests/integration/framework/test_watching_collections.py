"""Watching a collection: what a watcher believes is what a list shows, and nobody hears of what they could not see."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ashgrove.event.v1.event_pb2 import Event
from ashgrove.resource.v1.watch_pb2 import WatchRequest
from ashgrove.variables.v1 import component_pb2
from ashgrove.variables.v1.component_requests_pb2 import CreateComponentRequest
from grpc import StatusCode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from spectators import PRIVATE, PUBLIC, Item, Spectator, archive, change, create, space

from framework.call import Actor, Role
from framework.engine.views import View
from framework.errors import InvalidFields, PositionGone, Unauthenticated
from framework.events.recent import Recent
from framework.tasks import stopped
from framework.testing.workbench import Workbench, workbench
from services.variables.registry import registry
from services.variables.resources import VariableSpace
from tests.tries import tries

MIGRATIONS = Path("services/variables/migrations")


@pytest.fixture
async def bench(postgres_url: str) -> AsyncIterator[Workbench]:
    async with workbench(registry(), postgres_url, MIGRATIONS) as made, made.telling():
        yield made


async def kinds(spectator: Spectator, count: int) -> list[tuple[Any, str]]:
    """Returns the type and the id of a spectator's items once there are so many."""
    await spectator.until(lambda: len(spectator.items) >= count)
    return [(item.type, item.resource_id) for item in spectator.items]


async def test_changes_come_as_the_resource_is_now_and_leave_the_view_as_removed(bench: Workbench) -> None:
    """Created, changed, archived; in a list that shows archived ones an archival is told as such."""
    plain = await Spectator(bench, bench.user).start()
    whole = await Spectator(bench, bench.user, show_archived=True).start()
    made = await create(bench, space("first"))
    assert await kinds(plain, 1) == await kinds(whole, 1) == [(Item.TYPE_CREATED, made.id)]
    await change(bench, made.id, description="more")
    assert await kinds(plain, 2) == await kinds(whole, 2)
    assert plain.items[1].type == Item.TYPE_UPDATED and plain.items[1].changed_paths == ["description"]
    assert plain.state[made.id].description == "more"
    await archive(bench, made.id)
    assert (await kinds(plain, 3))[2] == (Item.TYPE_REMOVED, made.id)
    assert (await kinds(whole, 3))[2] == (Item.TYPE_ARCHIVED, made.id)
    assert not plain.items[2].HasField("resource") and whole.state[made.id].HasField("archived_at")


async def test_what_becomes_private_is_removed_for_those_who_could_see_it_and_only_for_them(bench: Workbench) -> None:
    """Also for one who comes back later, from what the event says that it was; others hear nothing at all."""
    shown = await create(bench, space("shown", PUBLIC))
    hidden = await create(bench, space("hidden"))
    await bench.events()
    live = await Spectator(bench, bench.colleague).start()
    gone = await Spectator(bench, bench.colleague).start()
    await gone.stop()
    await change(bench, shown.id, visibility=PRIVATE)
    await change(bench, hidden.id, description="still nobody's business")
    await archive(bench, hidden.id)
    await create(bench, space("end", PUBLIC))
    assert [kind for kind, _ in await kinds(live, 2)] == [Item.TYPE_REMOVED, Item.TYPE_CREATED]
    await gone.start()
    assert (await kinds(gone, 2))[0] == (Item.TYPE_REMOVED, shown.id)
    assert hidden.id not in {item.resource_id for item in live.items + gone.items}


async def test_a_filter_shows_what_comes_to_match_and_removes_what_no_longer_does(bench: Workbench) -> None:
    """By the row as it is, once: what never matched is not told again and again."""
    watcher = await Spectator(bench, bench.user, filter='description = "hot"').start()
    made = await create(bench, space("one", description="cold"))
    await change(bench, made.id, description="hot")
    await watcher.until(lambda: made.id in watcher.state)
    await change(bench, made.id, description="cold")
    await watcher.until(lambda: made.id not in watcher.state)
    await change(bench, made.id, name="another")
    last = await create(bench, space("last", description="hot"))
    await watcher.until(lambda: last.id in watcher.state)
    told = [item.type for item in watcher.items if item.resource_id == made.id]
    assert told.count(Item.TYPE_REMOVED) <= 2
    assert told[-2] in (Item.TYPE_CREATED, Item.TYPE_UPDATED) and told[-1] == Item.TYPE_REMOVED


async def test_several_changes_that_are_missed_are_told_once_with_all_their_paths(bench: Workbench) -> None:
    """The latest state, however many writes made it."""
    watcher = await Spectator(bench, bench.user).start()
    await watcher.stop()
    made = await create(bench, space("one"))
    old = await create(bench, space("two"))
    await watcher.start()
    await kinds(watcher, 2)
    await watcher.stop()
    watcher.items.clear()
    for number in range(5):
        await change(bench, old.id, description=f"{number}")
        await change(bench, made.id, name=f"name {number}")
    latest = (await bench.events())[-1]["sequence"]
    await bench.engine.recent.beyond(latest - 1, 3600)
    await watcher.start()
    await watcher.until(lambda: len(watcher.state) == 2 and watcher.state[made.id].name == "name 4")
    assert [list(item.changed_paths) for item in watcher.items][-2:] == [["description"], ["name"]]
    assert len(watcher.items) == 2


async def test_watchers_with_the_same_rights_are_one_statement(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are; one with other rights, or who asks for something else, has its own."""
    reads: list[str] = []
    read = View._read

    async def counted(view: View, identifiers: Any) -> Any:
        reads.append(view.call.actor.id)
        await asyncio.sleep(0.1)
        return await read(view, identifiers)

    monkeypatch.setattr(View, "_read", counted)
    same = [await Spectator(bench, bench.user).start() for _ in range(5)]
    others = [
        await Spectator(bench, bench.admin).start(),
        await Spectator(bench, bench.user, show_archived=True).start(),
    ]
    await bench.events()
    made = await create(bench, space("shared"))
    for watcher in same + others:
        await watcher.until(lambda w=watcher: made.id in w.state)
    assert sorted(reads) == sorted([bench.user.id, bench.admin.id, bench.user.id])


async def test_a_mask_bounds_what_is_sent(bench: Workbench) -> None:
    """And a wrong one is refused before the first frame, as a filter is."""
    watcher = await Spectator(bench, bench.user, read_mask={"paths": ["name"]}).start()
    made = await create(bench, space("masked", description="left out"))
    await kinds(watcher, 1)
    assert (watcher.state[made.id].name, watcher.state[made.id].description) == ("masked", "")
    wrongs = [WatchRequest(filter="nothing = 1"), WatchRequest(read_mask={"paths": ["nothing"]})]
    for wrong in (*wrongs, WatchRequest(from_sequence=2**60)):
        with pytest.raises(InvalidFields):
            async for _ in bench.frames("WatchVariableSpaces", wrong):
                raise AssertionError("nothing may be told")


async def test_another_organization_hears_nothing(bench: Workbench) -> None:
    """Public means public inside the organization."""
    there = bench.elsewhere()
    watcher = await Spectator(there, there.admin).start()
    await create(bench, space("ours", PUBLIC))
    theirs = await create(there, space("theirs"))
    await kinds(watcher, 1)
    assert {item.resource_id for item in watcher.items} == {theirs.id}


async def test_a_stream_ends_when_its_key_is_revoked_or_its_users_role_changes(bench: Workbench) -> None:
    """At once, with the reason in the last frame; who begins anew with the old token is refused."""
    revoked, demoted, other = bench.user, bench.colleague, bench.viewer
    watchers = [await Spectator(bench, actor).start() for actor in (revoked, demoted, other)]
    key = Event(type="api_key.updated", outcome="OK", resource_type="api_key", resource_id=revoked.credential_id)
    key.changed_paths.append("revoked_at")
    user = Event(type="user.updated", outcome="OK", resource_type="user", resource_id=demoted.id)
    user.data.update({"role": f"ROLE_{Role.VIEWER.name}"})
    for event in (key, user):
        assert bench.engine.revocations.note(event)
    bench.engine.recent.stir()
    for watcher in watchers[:2]:
        await watcher.until(lambda w=watcher: w.ended is not None)
        assert watcher.ended.code == StatusCode.UNAUTHENTICATED.value[0]
    with pytest.raises(Unauthenticated):
        async for _ in bench.frames("WatchVariableSpaces", WatchRequest(), revoked):
            raise AssertionError("nothing may be told")
    await create(bench, space("goes on", PUBLIC), bench.admin)
    await kinds(watchers[2], 1)
    assert watchers[2].ended is None


async def test_a_quiet_stream_ends_when_its_credential_ends_by_itself(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only with its next frame: nothing else would wake it; also when a successor shortened its life."""
    for period in ("HEARTBEAT_SECONDS", "DECIDE_SECONDS"):
        monkeypatch.setattr(f"framework.engine.watching.{period}", 3600.0)
    passing = replace(bench.user, ends_at=time.time() + 3)  # long enough for its stream to begin
    replaced = replace(bench.colleague, credential_id="replaced")
    watchers = [await Spectator(bench, actor).start() for actor in (passing, replaced)]
    key = Event(type="api_key.updated", outcome="OK", resource_type="api_key", resource_id="replaced")
    key.changed_paths.append("expires_at")
    key.data.update({"expires_at": "2026-01-31T12:00:00Z"})
    assert bench.engine.revocations.note(key)
    bench.engine.end_streams()
    for watcher in watchers:
        await watcher.until(lambda w=watcher: w.ended is not None)
        assert watcher.ended.code == StatusCode.UNAUTHENTICATED.value[0]


async def test_what_is_lost_without_an_event_is_removed_when_it_is_looked_at_again(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Access may depend on rows that tell nothing: every 25 seconds what was shown is decided again."""
    monkeypatch.setattr("framework.engine.watching.DECIDE_SECONDS", 0.2)
    made = await create(bench, space("shown", PUBLIC))
    watcher = await Spectator(bench, bench.colleague, since=0).start()
    await watcher.until(lambda: made.id in watcher.state)
    async with bench.database.system() as tx:
        await tx.execute(
            "UPDATE variable_spaces SET visibility = 'VISIBILITY_PRIVATE' WHERE id = %(id)s", {"id": made.id}
        )
    await watcher.until(lambda: made.id not in watcher.state)


async def test_a_position_that_is_kept_no_more_is_refused_with_the_oldest(bench: Workbench) -> None:
    """And with what to do."""
    await create(bench, space("old"))
    await bench.events()
    async with bench.database.system() as tx:
        await tx.execute("UPDATE feed_head SET oldest_sequence = last_sequence + 1")
        try:
            await tx.fetch("SELECT 1")
        finally:
            row = await tx.fetch_one("SELECT oldest_sequence FROM feed_head")
    assert row is not None
    bench.engine.recent._events.clear()  # as in a process that has just begun
    with pytest.raises(PositionGone) as gone:
        async for _ in bench.frames("WatchVariableSpaces", WatchRequest(from_sequence=0)):
            raise AssertionError("nothing may be told")
    assert gone.value.metadata == {"oldest_sequence": str(row["oldest_sequence"])}
    async with bench.database.system() as tx:
        await tx.execute("UPDATE feed_head SET oldest_sequence = 1")


async def test_what_hangs_on_a_row_that_is_published_or_hidden_is_listed_again(bench: Workbench) -> None:
    """The stream ends and says so, for those whose view changed; an administrator's goes on."""
    shown = await create(bench, space("with configurations"))
    await bench.events()
    stand = asyncio.Barrier(3)
    ended = asyncio.create_task(_end(bench, bench.colleague, stand))
    untouched = asyncio.create_task(_end(bench, bench.admin, stand))
    await stand.wait()
    await change(bench, shown.id, visibility=PUBLIC)
    status = await ended
    assert (status.code, untouched.done()) == (StatusCode.ABORTED.value[0], False)
    await stopped([untouched])


async def _end(bench: Workbench, actor: Actor, stand: asyncio.Barrier) -> Any:
    """Returns how a watch of configurations ended; it stands once its first frame has come."""
    async for frame in bench.frames("WatchVariableConfigurations", WatchRequest(), actor):
        if frame.WhichOneof("frame") == "heartbeat":
            await stand.wait()
        if frame.WhichOneof("frame") == "end":
            return frame.end.status
    raise AssertionError("a stream has an end")


ACTS = st.tuples(
    st.sampled_from(["create", "publish", "hide", "rename", "describe", "give", "archive", "leave", "return"]),
    st.integers(0, 5),
)


@settings(max_examples=tries(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=st.lists(ACTS, min_size=5, max_size=40))
def test_a_watcher_ends_up_with_what_a_list_shows(postgres_url: str, acts: list[tuple[str, int]]) -> None:
    """After any writes, changes of access, departures and returns; and no id is told to one who could never see it."""
    asyncio.run(_acted(postgres_url, acts))


async def _acted(postgres_url: str, acts: list[tuple[str, int]]) -> None:
    async with workbench(registry(), postgres_url, MIGRATIONS) as bench, bench.telling():
        watchers = [
            await Spectator(bench, bench.colleague).start(),
            await Spectator(bench, bench.colleague, show_archived=True, filter='description = "odd"').start(),
            await Spectator(bench, bench.admin).start(),
        ]
        visible: set[str] = set()
        made: list[str] = []
        for kind, number in acts:
            await _act(bench, watchers, made, kind, number)
            visible |= {one.id for one in await watchers[0].listed()} | set(await _archived(watchers[0]))
        for watcher in watchers:
            if watcher.away:
                await watcher.start()
        end = await create(bench, space("end", PUBLIC, "odd"))
        for watcher in watchers:
            await watcher.until(lambda w=watcher: end.id in w.state)
            assert watcher.state == {one.id: one for one in await watcher.listed()}
            await watcher.stop()
        told = {item.resource_id for watcher in watchers[:2] for item in watcher.items}
        assert told <= visible | {end.id}


async def _archived(watcher: Spectator) -> list[str]:
    """Returns what its actor may see, archived ones too."""
    return [one.id for one in await Spectator(watcher.bench, watcher.actor, show_archived=True).listed()]


async def _act(bench: Workbench, watchers: list[Spectator], made: list[str], kind: str, number: int) -> None:
    if kind in ("leave", "return"):
        watcher = watchers[number % len(watchers)]
        if (kind == "leave") is not watcher.away:
            await (watcher.stop() if kind == "leave" else watcher.start())
        return
    if kind == "create" or not made:
        description = "odd" if number % 2 else "even"
        visibility = PUBLIC if number % 3 == 0 else PRIVATE
        made.append((await create(bench, space(f"space {len(made)}", visibility, description))).id)
        return
    identifier = made[number % len(made)]
    state = (await Spectator(bench, bench.admin, show_archived=True, filter=f'id = "{identifier}"').listed())[0]
    if state.HasField("archived_at"):
        return
    if kind == "archive":
        await archive(bench, identifier, bench.admin)
    elif kind == "give":
        owner = bench.colleague if state.owner_id == bench.user.id else bench.user
        call = bench.engine.call(bench.context(bench.admin, "UpdateVariableSpace"))
        await call.update(VariableSpace, identifier, {"owner_id": owner.user_id})
    else:
        fields: dict[str, dict[str, Any]] = {
            "publish": {"visibility": PUBLIC},
            "hide": {"visibility": PRIVATE},
            "rename": {"name": f"named {identifier} {number}"},
            "describe": {"description": "odd" if number % 2 else "even"},
        }
        await change(bench, identifier, bench.admin, **fields[kind])


async def test_a_watcher_sleeps_through_the_events_of_other_collections(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configurations, components and other organizations wake nobody who watches spaces; its position moves on."""
    woken: list[tuple[int, int]] = []
    beyond = Recent.beyond

    async def noted(recent: Recent, position: int, *more: Any) -> int:
        reached = await beyond(recent, position, *more)
        if len(more) > 1:  # a watcher, not who looks after revocations
            woken.append((position, reached))
        return reached

    monkeypatch.setattr(Recent, "beyond", noted)
    watcher = await Spectator(bench, bench.user).start()
    there = bench.elsewhere()
    for number in range(20):
        component = component_pb2.Component(name=f"part{number}", interface="reasoning", slots={"main": "x"})
        await bench.do("CreateComponent", CreateComponentRequest(component=component))
        await create(there, space(f"elsewhere {number}"), there.user)
    events = await bench.events()
    await bench.engine.recent.beyond(events[-1]["sequence"] - 1, 10)
    assert woken == []
    made = await create(bench, space("mine"))
    await bench.events()
    await watcher.until(lambda: made.id in watcher.state)
    (once,) = woken
    assert once[1] > once[0] + 30, "what nobody here waits for is not even read"
    await watcher.stop()
