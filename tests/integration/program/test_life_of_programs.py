"""The life of a document: revisions named by aliases, copied, compared, and written down."""

import json
from collections import Counter
from typing import Any

import pytest
from ashgrove.program.v1 import program_alias_pb2 as alias_pb
from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.execution_requests_pb2 import ExecuteProgramRequest
from ashgrove.program.v1.program_requests_pb2 import (
    CloneProgramRequest,
    DiffProgramsRequest,
    ExportProgramRequest,
    ListProgramsRequest,
    TextPiece,
    UpdateProgramRequest,
)

from framework.errors import AlreadyExists, IllegalState, InvalidFields, NotFound, StaleEtag
from framework.testing.workbench import Workbench
from services.program.resources.alias import drawn
from tests.integration.program.making import create_custom, create_program


async def revised(bench: Workbench) -> program_pb2.Program:
    """A program of three revisions, told otherwise in each."""
    made = await create_program(bench, tags=["support", "eu"])
    for words in ("Name the language.", "Name the language of the text."):
        made.signature_config.instructions = words
        made = await bench.do("UpdateProgram", UpdateProgramRequest(program=made))
    assert made.revision == 3
    return made


async def create_alias(bench: Workbench, program_id: str, targets: dict[int, int], actor: Any = None) -> Any:
    """Creates the alias `production`."""
    made = alias_pb.ProgramAlias(program_id=program_id, name="production", targets=pairs(targets))
    return await bench.do("CreateProgramAlias", alias_pb.CreateProgramAliasRequest(program_alias=made), actor)


def pairs(targets: dict[int, int]) -> list[alias_pb.AliasTarget]:
    """Returns targets."""
    return [alias_pb.AliasTarget(revision=revision, weight=weight) for revision, weight in targets.items()]


def asked(program: program_pb2.Program, **fields: Any) -> ExecuteProgramRequest:
    """A request to execute that is only tried."""
    request = ExecuteProgramRequest(program_id=program.id, validate_only=True, **fields)
    request.inputs.update({"text": "a"})
    return request


async def test_an_alias_says_which_revision_is_executed_and_goes_back_by_one_call(bench: Workbench) -> None:
    """Over the state that was read; back and forth as often as one likes."""
    program = await revised(bench)
    alias = await create_alias(bench, program.id, {1: 1})
    assert (await bench.do("ExecuteProgram", asked(program, alias="production"))).program_revision == 1
    changed = alias_pb.ProgramAlias(id=alias.id, targets=pairs({3: 1}), etag=alias.etag)
    update = alias_pb.UpdateProgramAliasRequest(program_alias=changed)
    alias = await bench.do("UpdateProgramAlias", update)
    with pytest.raises(StaleEtag):
        await bench.do("UpdateProgramAlias", update)
    assert (await bench.do("ExecuteProgram", asked(program, alias="production"))).program_revision == 3
    back = alias_pb.RollbackProgramAliasRequest(id=alias.id, etag=alias.etag)
    alias = await bench.do("RollbackProgramAlias", back)
    assert (alias.revision, alias.targets[0].revision) == (3, 1)
    with pytest.raises(StaleEtag):
        await bench.do("RollbackProgramAlias", back)
    again = await bench.do("RollbackProgramAlias", alias_pb.RollbackProgramAliasRequest(id=alias.id))
    assert again.targets[0].revision == 3
    assert (await bench.do("ExecuteProgram", asked(program, revision=2))).program_revision == 2
    for fields in ({"alias": "canary"}, {"alias": "production", "revision": 2}):
        with pytest.raises(InvalidFields, match="alias"):
            await bench.do("ExecuteProgram", asked(program, **fields))


async def test_an_alias_names_revisions_that_there_are_of_a_program_of_ones_own(bench: Workbench) -> None:
    """One of a name for a program; a colleague's public program is not theirs to name."""
    program = await revised(bench)
    with pytest.raises(InvalidFields) as refused:
        await create_alias(bench, program.id, {3: 1, 4: 1})
    assert [v.path for v in refused.value.violations] == ["program_alias.targets[1].revision"]
    with pytest.raises(InvalidFields, match="program_id"):
        await create_alias(bench, program.id, {3: 1}, bench.colleague)
    alias = await create_alias(bench, program.id, {3: 1})
    with pytest.raises(AlreadyExists):
        await create_alias(bench, program.id, {3: 1})
    with pytest.raises(IllegalState):
        await bench.do("RollbackProgramAlias", alias_pb.RollbackProgramAliasRequest(id=alias.id))


def test_traffic_is_split_by_weight() -> None:
    """Every number falls on one; as many as its weight says."""
    targets = pairs({7: 95, 8: 5})
    assert Counter(drawn(targets, number) for number in range(1000)) == {7: 950, 8: 50}


async def test_a_copy_is_of_the_revision_asked_for_with_its_tags(bench: Workbench) -> None:
    """It remembers its parent, and is found by what it is tagged with."""
    program = await revised(bench)
    request = CloneProgramRequest(id=program.id, new_name="copy", revision=2, space=CloneProgramRequest.SPACE_NONE)
    copy = await bench.do("CloneProgram", request)
    assert copy.signature_config.instructions == "Name the language." and copy.parent_program_id == program.id
    assert list(copy.tags) == ["support", "eu"] and copy.revision == 1
    found = await bench.do("ListPrograms", ListProgramsRequest(filter='tags:"support" AND name = "copy"'))
    assert [each.id for each in found.programs] == [copy.id]
    assert not (await bench.do("ListPrograms", ListProgramsRequest(filter='tags:"none"'))).programs


async def test_a_difference_is_told_word_by_word_with_what_it_breaks(bench: Workbench) -> None:
    """Members of lists are known by their names, wherever they stand."""
    program = await revised(bench)
    program.signature_config.inputs.insert(0, program_pb2.Program().signature_config.inputs.add(name="tone"))
    program = await bench.do("UpdateProgram", UpdateProgramRequest(program=program))
    told = await bench.do("DiffPrograms", DiffProgramsRequest(id=program.id, revision=2, other_revision=3))
    (change,) = told.changes
    assert change.path == "signature_config.instructions" and not told.same
    pieces = [(piece.kind, piece.text) for piece in change.pieces]
    assert "".join(text for kind, text in pieces if kind != TextPiece.KIND_ADDED) == "Name the language."
    assert "".join(text for kind, text in pieces if kind != TextPiece.KIND_REMOVED) == "Name the language of the text."
    assert (TextPiece.KIND_SAME, "Name the ") in [(kind, text[:9]) for kind, text in pieces]
    told = await bench.do("DiffPrograms", DiffProgramsRequest(id=program.id, revision=3))
    assert [each.path for each in told.changes] == ["signature_config.inputs.tone.name"]
    assert not told.compatibility.compatible_for_callers and told.other_revision == 4
    assert (await bench.do("DiffPrograms", DiffProgramsRequest(id=program.id))).same
    with pytest.raises(NotFound):
        await bench.do("DiffPrograms", DiffProgramsRequest(id=program.id), bench.colleague)


async def test_a_program_is_written_down_unless_it_is_code(bench: Workbench, coded: Any) -> None:
    """At the revision asked for."""
    program = await revised(bench)
    told = await bench.do("ExportProgram", ExportProgramRequest(id=program.id, revision=2))
    content = json.loads(told.content)
    assert content["instructions"] == "Name the language." and told.file_name == "language.2.json"
    assert content["outputs_schema"]["properties"]["language"]["enum"]
    code = await create_custom(bench, "echo@1")
    with pytest.raises(IllegalState):
        await bench.do("ExportProgram", ExportProgramRequest(id=code.id))
