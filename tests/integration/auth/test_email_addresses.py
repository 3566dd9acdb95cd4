"""Colleagues know each other by name: an e-mail address is read by its user and by administrators, however asked."""

from typing import Any

import pytest
from ashgrove.auth.v1 import user_pb2
from ashgrove.auth.v1.api_key_requests_pb2 import ListApiKeysRequest
from ashgrove.auth.v1.user_requests_pb2 import GetUserRequest, ListUsersRequest
from ashgrove.resource.v1.aggregate_pb2 import AggregateRequest
from ashgrove.resource.v1.export_pb2 import ExportRequest
from ashgrove.resource.v1.watch_pb2 import WatchRequest
from google.protobuf.field_mask_pb2 import FieldMask

from framework.call import Actor
from framework.events.sequencer import Sequencer
from tests.integration.auth.house import House, context


async def listed(house: House, actor: Actor, **asked: Any) -> dict[str, user_pb2.User]:
    answer = await house.call(actor, "ListUsers", ListUsersRequest(**asked))
    return {one.id: one for one in answer.users}


async def exported(house: House, actor: Actor) -> dict[str, user_pb2.User]:
    method = house.registry.methods["/ashgrove.auth.v1.AuthService/ExportUsers"]
    found = {}
    async for frame in house.engine.stream(method, context(actor, "ExportUsers"), ExportRequest()):
        if frame.HasField("item"):
            one = user_pb2.User()
            frame.item.resource.Unpack(one)
            found[one.id] = one
    return found


@pytest.mark.parametrize("role", [user_pb2.User.ROLE_USER, user_pb2.User.ROLE_VIEWER])
async def test_a_colleague_reads_their_own_address_only(house: House, role: int) -> None:
    """In lists, exports and masked reads; the others' is named as forbidden."""
    me, other = await house.user(role), await house.user()
    mine = house.actor(me)
    masked = await house.call(
        mine, "GetUser", GetUserRequest(id=other.id, read_mask=FieldMask(paths=["email", "name", "forbidden_fields"]))
    )
    assert not masked.email and list(masked.forbidden_fields) == ["email", "preferences"]
    for found in (await listed(house, mine), await exported(house, mine)):
        assert found[me.id].email == me.email and not found[me.id].forbidden_fields
        assert not found[other.id].email and list(found[other.id].forbidden_fields) == ["email", "preferences"]
    everything = await listed(house, house.admin)
    assert everything[other.id].email == other.email


async def test_an_address_cannot_be_probed(house: House) -> None:
    """By filter, order, measure, group or through relationships."""
    me, other = await house.user(), await house.user()
    mine = house.actor(me)
    for text in (
        f'email = "{other.email}"',
        f'email:"{other.email[:12]}"',
        f'email < "{other.email}z" AND id = {other.id}',
    ):
        assert other.id not in await listed(house, mine, filter=text)
        assert other.id in await listed(house, house.admin, filter=text)
    assert next(iter(await listed(house, mine, order_by="email"))) == me.id
    measured = await house.call(
        mine, "AggregateUsers", AggregateRequest(measures=["count(email) as known", "max(email) as last"])
    )
    assert measured.rows[0].values["known"].number_value == 1
    assert measured.rows[0].values["last"].string_value == me.email
    await house.key(house.actor(other))
    for text in (f'user.email = "{other.email}"', "user.email:*"):
        asked = ListApiKeysRequest(filter=f"({text}) AND user_id = {other.id}")
        assert len((await house.call(house.admin, "ListApiKeys", asked)).api_keys) == 1
        assert not (await house.call(mine, "ListApiKeys", asked)).api_keys


async def test_no_event_tells_an_address(house: House) -> None:
    """Not even to administrators: entries of the audit trail are read by whoever acted."""
    other = await house.user()
    await house.change(other, name="renamed")
    assert other.email not in str(await house.events())


async def test_signing_in_tells_ones_own_address(house: House) -> None:
    """Whoever proves who they are is told who they are."""
    signed_in = await house.authenticate(house.secret)
    assert signed_in.user.email == house.administrator.email


async def test_no_watcher_is_told_an_address(house: House) -> None:
    """A watcher is told of the colleague without it."""
    me, other = await house.user(), await house.user()
    mine = house.actor(me)
    method = house.registry.methods["/ashgrove.auth.v1.AuthService/WatchUsers"]
    sequencer = Sequencer(house.database)
    while await sequencer.step():
        pass
    async for frame in house.engine.stream(method, context(mine, "WatchUsers"), WatchRequest(from_sequence=0)):
        assert other.email.encode() not in frame.SerializeToString()
        if frame.HasField("item") and frame.item.resource_id == other.id:
            told = user_pb2.User()
            frame.item.resource.Unpack(told)
            assert list(told.forbidden_fields) == ["email", "preferences"] and told.id == other.id
            break
