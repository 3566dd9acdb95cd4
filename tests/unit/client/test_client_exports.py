"""Exports as the client takes them: whole, and taken up where they were cut."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from ashgrove import cli, exports
from ashgrove.client import Client
from ashgrove.errors import AshgroveError, Unavailable
from ashgrove.event.v1.event_pb2 import End, Heartbeat
from ashgrove.export_files import ExportFile
from ashgrove.exports import Exported
from ashgrove.program.v1 import program_pb2
from ashgrove.resource.v1.export_pb2 import ExportResponse
from click.testing import CliRunner

from tests.unit.client.conftest import Scripted

Served = tuple[Scripted, Client]
END = ExportResponse(end=End())


def row(name: str) -> ExportResponse:
    """Returns a frame with a program; its token is named like it."""
    frame = ExportResponse()
    frame.item.resource.Pack(program_pb2.Program(name=name))
    frame.item.resume_token = f"after {name}"
    return frame


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for what is scripted."""
    monkeypatch.setattr(exports.time, "sleep", lambda seconds: None)


def names(rows: Any) -> list[str]:
    return [one.resource.name for one in rows]


def test_what_is_cut_is_taken_up_where_it_was(served: Served) -> None:
    """With an error and without one; the rest of the request stays as it was."""
    scripted, client = served
    scripted.exports = [
        [row("a"), ExportResponse(heartbeat=Heartbeat()), row("b"), grpc.StatusCode.UNAVAILABLE],
        [],
        [row("c")],
        [END],
    ]
    assert names(client.exports.rows("programs", filter="f", fields=["name"], archived=True)) == ["a", "b", "c"]
    assert [asked.resume_token for asked in scripted.asked] == ["", "after b", "after b", "after c"]
    assert {(asked.filter, asked.show_archived, *asked.read_mask.paths) for asked in scripted.asked} == {
        ("f", True, "name")
    }


def test_what_cannot_go_on_is_told(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal at once, a gateway that stays away when patience ends, an unknown collection before it is asked for."""
    scripted, client = served
    monkeypatch.setattr(exports, "_PATIENCE_SECONDS", 0.0)
    for code, kind in ((grpc.StatusCode.PERMISSION_DENIED, AshgroveError), (grpc.StatusCode.UNAVAILABLE, Unavailable)):
        scripted.exports = [[code]]
        with pytest.raises(kind):
            list(client.exports.rows("programs"))
    with pytest.raises(ValueError, match="executions"):
        list(client.exports.rows("nothing"))
    assert len(scripted.asked) == 2


def taken(path: Path, asked: dict[str, Any], rows: Any) -> list[int]:
    return list(ExportFile(path, asked).take(rows))


def exported(*named: str) -> list[Exported]:
    return [Exported(program_pb2.Program(name=name), f"after {name}") for name in named]


def test_a_file_is_there_when_it_is_whole(tmp_path: Path) -> None:
    """A cut export goes on behind the last row that is safe, whatever the cut left half written."""
    path, asked = tmp_path / "programs.jsonl", {"collection": "programs"}

    def cut() -> Any:
        yield from exported("a", "b")
        raise Unavailable("cut")

    with pytest.raises(Unavailable):
        taken(path, asked, cut())
    assert not path.exists()
    with (tmp_path / "programs.jsonl.part").open("a") as file:
        file.write('{"name": "half')
    again = ExportFile(path, asked)
    assert (again.reached.rows, again.reached.token) == (2, "after b")
    assert list(again.take(exported("c"))) == [3]
    assert [json.loads(line)["name"] for line in path.read_text().splitlines()] == ["a", "b", "c"]
    assert [file.name for file in tmp_path.iterdir()] == ["programs.jsonl"]


def test_another_export_begins_anew(tmp_path: Path) -> None:
    """Rows of two filters are never mixed."""
    path = tmp_path / "programs.jsonl"
    interrupted = iter(ExportFile(path, {"filter": "a"}).take(exported("a", "b")))
    next(interrupted)
    interrupted.close()  # type: ignore[attr-defined]
    assert ExportFile(path, {"filter": "a"}).reached.rows == 1
    taken(path, {"filter": "b"}, exported("c"))
    assert len(path.read_text().splitlines()) == 1


def test_the_command_line_exports_and_goes_on(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A first command that is refused in the middle, and the same one again."""
    scripted, client = served
    monkeypatch.setenv("ASHGROVE_ADDRESS", client.address)
    monkeypatch.setenv("ASHGROVE_API_KEY", "key-of-the-test")
    monkeypatch.setattr(exports.Exports, "count", lambda *_, **__: 3)
    scripted.exports = [[row("a"), row("b"), grpc.StatusCode.INTERNAL], [row("c"), END]]
    command = ["export", "programs", "--out", str(tmp_path / "out.jsonl"), "--filter", "f", "--field", "name"]
    assert CliRunner().invoke(cli.main, command).exit_code
    done = CliRunner().invoke(cli.main, command)
    assert done.exit_code == 0, done.output
    assert [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()] == [
        {"name": name} for name in "abc"
    ]
    assert [asked.resume_token for asked in scripted.asked] == ["", "after b"]
