"""Watching a collection from the client: taken up where it broke, ended where the server says so."""

from itertools import islice

import grpc
import pytest
from ashgrove import errors
from ashgrove.client import Client
from ashgrove.event.v1 import event_pb2
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.resource.v1.watch_pb2 import WatchResponse
from click.testing import CliRunner
from google.rpc import code_pb2, status_pb2

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
Item = WatchResponse.Item
BEAT = WatchResponse(heartbeat=event_pb2.Heartbeat(sequence=9))


def told(sequence: int, name: str = "", kind: int = Item.TYPE_UPDATED) -> WatchResponse:
    """A frame about a program of that name, or about one that is gone."""
    frame = WatchResponse(item=Item(type=kind, resource_id="p", sequence=sequence))  # type: ignore[arg-type]
    if name:
        frame.item.resource.Pack(Program(id="p", name=name))
    return frame


def test_a_broken_watch_goes_on_after_the_last_position_that_was_told(served: Served) -> None:
    """That of a heartbeat counts as well; the first asks for now."""
    scripted, client = served
    scripted.watches = [[BEAT, told(11, "a"), grpc.StatusCode.UNAVAILABLE], [told(12, kind=Item.TYPE_REMOVED)]]
    changes = list(islice(client.programs.watch(filter='name = "a"'), 2))
    assert [(c.kind, c.sequence, getattr(c.resource, "name", None)) for c in changes] == [
        ("updated", 11, "a"),
        ("removed", 12, None),
    ]
    assert [r.HasField("from_sequence") for r in scripted.asked] == [False, True]
    assert scripted.asked[1].from_sequence == 11 and scripted.asked[1].filter == 'name = "a"'


def test_a_watch_that_the_server_ends_says_why(served: Served) -> None:
    """The reason tells a program what to do."""
    scripted, client = served
    status = status_pb2.Status(code=code_pb2.ABORTED, message="list again")
    scripted.watches = [[BEAT, WatchResponse(end=event_pb2.End(status=status))]]
    with pytest.raises(errors.Aborted, match="list again"):
        list(client.watches.changes("programs"))


def test_collections_that_cannot_be_watched_are_named_with_those_that_can(served: Served) -> None:
    """One run is no collection."""
    _, client = served
    assert {"programs", "optimization_runs", "users"} <= set(client.watches.collections)
    assert "optimization_run" not in client.watches.collections
    with pytest.raises(ValueError, match=r"there are .*programs"):
        list(client.watches.changes("trials"))


def test_the_command_line_prints_a_line_for_each_change(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sequence, what happened, the id, and the name or what changed."""
    from ashgrove import cli

    scripted, client = served
    monkeypatch.setattr(cli.Client, "from_environment", lambda: client)
    scripted.watches = [[told(11, "a program", Item.TYPE_CREATED), grpc.StatusCode.PERMISSION_DENIED]]
    result = CliRunner().invoke(cli.main, ["watch", "programs"])
    assert "11  created     p  a program" in result.output
