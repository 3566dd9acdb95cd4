"""What a field policy keeps of a program's content it keeps of every revision, and it never leaves the database."""

from dataclasses import replace
from typing import Any

from ashgrove.program.v1 import program_pb2
from ashgrove.program.v1.program_requests_pb2 import UpdateProgramRequest
from google.protobuf.field_mask_pb2 import FieldMask
from making import create_program

from framework.call import Actor, Role
from framework.engine import reading
from framework.engine.selecting import Selection
from framework.policy import Check, field_policy, has_role, owns
from framework.resource import spec_of
from framework.testing.workbench import Workbench
from services.program.resources import Program

KEPT = ("signature_config", "content_hash")


async def read(bench: Workbench, actor: Actor, identifier: str, revision: int, allow: Check) -> tuple[Any, Any]:
    """Returns a program's row and message at a revision, as somebody reads it under a field policy."""
    spec = replace(spec_of(Program), field_policies=(field_policy(*KEPT, allow=allow),))
    context = bench.context(actor, "GetProgram")
    selection = Selection(spec, context)
    async with bench.database.tenant(bench.organization_id) as tx:
        fetched = selection.fetched._replace(stored=None)
        row = await reading.load(tx, spec, context, identifier, "Get", fetched=fetched)
        row = await reading.revision_of(tx, spec, context, row, revision)
    return row, selection.message(row)


async def test_every_revision_keeps_what_the_current_one_keeps(bench: Workbench) -> None:
    """For whoever never reads the field, and for whoever reads it of their own programs only."""
    public = program_pb2.Program.VISIBILITY_PUBLIC
    made = await create_program(bench, visibility=public)
    changed = program_pb2.Program(id=made.id)
    changed.CopyFrom(made)
    changed.signature_config.instructions = "Answer twice."
    asked = UpdateProgramRequest(program=changed, update_mask=FieldMask(paths=["signature_config"]))
    assert (await bench.do("UpdateProgram", asked)).revision == 2
    for revision in (1, 2):
        for allow in (owns, has_role(Role.ADMIN)):
            row, told = await read(bench, bench.colleague, made.id, revision, allow)
            assert not told.HasField("signature_config") and not told.content_hash
            assert not any(row.get(name) for name in KEPT)
            assert told.name == made.name and told.revision == revision
        _, mine = await read(bench, bench.user, made.id, revision, owns)
        assert mine.HasField("signature_config") and mine.content_hash
        assert (mine.signature_config.instructions == "Answer twice.") is (revision == 2)
