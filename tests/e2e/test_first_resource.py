"""The guide to one's first resource, followed word by word in a copy of the tree, and the resource used as it says."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message_factory import GetMessageClass

from tests.e2e.api import SIGNATURE, Api, Refused, founded, unique
from tests.e2e.conftest import ROOT, Stack, running
from tests.e2e.waiting import until

GUIDE = ROOT / "docs" / "first-resource.md"
BLOCK = re.compile(r"^```\w+ (title|into)=(\S+)(?: after='([^\n]*)')?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh run\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINES = 60
CHECKS = (
    "buf lint",
    "buf format --diff --exit-code protos",
    "ruff check -q services",
    "ruff format -q --check services",
)
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".run", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache")


def hand_written() -> list[str]:
    """Returns the lines that the guide has its reader write, without comments and empty ones."""
    lines = [line.strip() for _, _, _, text in BLOCK.findall(GUIDE.read_text()) for line in text.splitlines()]
    told = re.compile(r'//|#|""".*"""$')
    return [line for line in lines if line and not told.match(line)]


def followed(tree: Path) -> None:
    """Does to a source tree what the guide says."""
    for how, name, after, text in BLOCK.findall(GUIDE.read_text()):
        file = tree / name
        if how == "title":
            assert not file.exists()
            file.write_text(text)
            continue
        before, line, rest = file.read_text().partition(next(x for x in _lines(file) if x.startswith(after)))
        file.write_text(f"{before}{line}{text}{rest}")
    environment = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'client'}"}
    for command in COMMANDS.findall(GUIDE.read_text())[0].splitlines():
        name, *arguments = command.split()
        assert name == "python"
        done = subprocess.run([sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines(keepends=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source tree in which the guide was followed."""
    made = tmp_path_factory.mktemp("first") / "tree"
    shutil.copytree(ROOT, made, ignore=LEFT_OUT)
    (made / ".venv").symlink_to((ROOT / ".venv").resolve())
    followed(made)
    return made


@pytest.fixture(scope="module")
def noted(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack as the copy of the tree makes it."""
    with running(tmp_path_factory.mktemp("noted"), tree, PROGRAM_WORKERS="1") as made:
        yield made


@pytest.fixture(scope="module")
def author(noted: Stack) -> Api:
    """The administrator of an organization."""
    return founded(Api(noted.port, (noted.home / "operator.key").read_text().strip()), "authors")


@pytest.fixture(scope="module")
def program(author: Api) -> str:
    """A program to write about."""
    made = {"name": unique("noted"), "type": "TYPE_PREDICT", "signature_config": SIGNATURE}
    return str(author.post("/v1/programs", made)["id"])


def test_it_takes_no_more_than_sixty_lines() -> None:
    """Proto included, comments not; and the guide says how many."""
    count = len(hand_written())
    assert count <= LINES
    assert f"in {count}\nlines" in GUIDE.read_text()


def test_it_is_linted_and_compiles(tree: Path) -> None:
    """What the guide has one write is as everything here is written."""
    environment = os.environ | {"PYTHONPATH": f"{tree}:{tree / 'client'}"}
    for check in CHECKS:
        tool, *arguments = check.split()
        command = [str(tree / ".venv" / "bin" / tool), *arguments]
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_notes_are_served_filtered_and_paged(author: Api, program: str) -> None:
    """Over REST: its fields, its relationship's and its calculation, page by page; its action and its policy."""
    made = [author.post("/v1/notes", {"program_id": program, "text": text}) for text in ("! a", "b", "! c")]
    assert author.get(f"/v1/notes/{made[0]['id']}") == made[0]
    name = author.get(f"/v1/programs/{program}")["name"]
    asked = {"filter": f'urgent = true AND program.name = "{name}"', "order_by": "created_at", "page_size": 1}
    asked |= {"read_mask": "id,text,urgent", "show_total_size": "true"}
    first = author.get(f"/v1/notes?{urlencode(asked)}")
    assert (first["total_size"], [one["text"] for one in first["notes"]]) == (2, ["! a"])
    second = author.get(f"/v1/notes?{urlencode(asked | {'page_token': first['next_page_token']})}")
    assert [(one["id"], one["urgent"]) for one in second["notes"]] == [(made[2]["id"], True)]
    assert not second["next_page_token"]
    (included,) = author.get(f"/v1/notes/{made[0]['id']}?include=program")["included"]
    assert [one["name"] for one in included["resources"]] == [name]
    assert author.post(f"/v1/notes/{made[1]['id']}:pin", None)["pinned"]
    for body, field in (({"program_id": program}, "note.text"), ({"program_id": "x", "text": "x"}, "note.program_id")):
        with pytest.raises(Refused) as refused:
            author.post("/v1/notes", body)
        assert refused.value.fields == {field}


def test_a_note_is_its_authors(author: Api, program: str) -> None:
    """To anybody else it does not exist."""
    made = author.post("/v1/notes", {"program_id": program, "text": "mine"})
    user = author.post("/v1/users", {"email": f"{unique('reader').replace(' ', '')}@example.com", "role": "ROLE_USER"})
    secret = author.post("/v1/apiKeys", {"api_key": {"name": "k", "user_id": user["id"]}})["secret"]
    colleague = Api(author.port, secret)
    for method, path in (("GET", f"/v1/notes/{made['id']}"), ("POST", f"/v1/notes/{made['id']}:pin")):
        with pytest.raises(Refused) as refused:
            colleague.call(method, path)
        assert refused.value.code == 404
    assert colleague.get("/v1/notes")["notes"] == []


def test_notes_are_served_over_grpc(author: Api, program: str, tree: Path) -> None:
    """By the descriptors that the copy made: this process has no stubs of notes."""
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString((tree / "client/ashgrove/descriptors.binpb").read_bytes())
    for file in files.file:
        pool.Add(file)
    method = pool.FindServiceByName("ashgrove.program.v1.ProgramService").methods_by_name["CreateNote"]
    request = ParseDict({"note": {"programId": program, "text": "grpc"}}, GetMessageClass(method.input_type)())
    with author.channel() as channel:
        path = "/ashgrove.program.v1.ProgramService/CreateNote"
        made = channel.unary_unary(path)(request.SerializeToString(), metadata=author.metadata, timeout=30)
    told = MessageToDict(GetMessageClass(method.output_type).FromString(made))
    assert (told["text"], told["programId"]) == ("grpc", program)


def test_notes_are_watched_and_audited(author: Api, program: str) -> None:
    """Whoever watches is told at once, and the audit trail keeps who did what."""
    frames: list[Any] = []

    def watch() -> None:
        for frame in author.stream("GET", "/v1/notes:watch?from_sequence=0"):
            frames.append(frame)
            if frame.get("item", {}).get("resource", {}).get("text") == "watched":
                return

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    made = author.post("/v1/notes", {"program_id": program, "text": "watched"})
    watching.join(20)
    assert frames[-1]["item"]["resource_id"] == made["id"]
    asked = urlencode({"filter": f'resource_type = "note" AND resource_id = "{made["id"]}"'})
    (entry,) = until(lambda: author.get(f"/v1/auditEntries?{asked}")["audit_entries"])
    assert (entry["type"], entry["action"], entry["outcome"]) == ("note.created", "CreateNote", "OK")
