"""Aliases: names for revisions of a program, traffic split between them, and the way back."""

from collections.abc import Sequence

from ashgrove.program.v1 import program_alias_pb2, program_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from domain.seeds import digest
from framework.call import Role
from framework.engine import Call, of_readable
from framework.errors import FieldViolation, IllegalState, InvalidFields, NotFound
from framework.policy import bypass, has_role, owns, policy
from framework.resource import Resource, Storage, action, archiving
from services.program.resources.program import Program

_ROLLBACK = "RollbackProgramAlias"
_PATH = "program_alias"


class ProgramAlias(Resource[program_alias_pb2.ProgramAlias]):
    """Aliases: read by whoever may read their program, written by whoever may change it."""

    storage = Storage(
        owner="owner_id",
        unique=[("program_id", "name")],
        indexes=[("program_id", "created_at")],
        content=("targets",),
        references={"program_id": "programs"},
        part_of=["program_id"],
        initial={"status": program_alias_pb2.ProgramAlias.STATUS_ACTIVE},
    )
    states = archiving("Update", _ROLLBACK)
    policies = [
        bypass(has_role(Role.ADMIN)),
        policy("Get", "List", allow=of_readable(Program, "program_id")),
        policy("Purge", allow=has_role(Role.ADMIN)),
        policy("Create", "Update", "Archive", "Unarchive", _ROLLBACK, allow=has_role(Role.USER) & owns),
    ]

    async def prepare(
        self,
        call: Call,
        new: program_alias_pb2.ProgramAlias,
        old: program_alias_pb2.ProgramAlias | None,
    ) -> None:
        """Refuses programs that are not the caller's to change, and revisions that there are not."""
        program = await _program(call, new.program_id)
        faults = []
        for index, target in enumerate(new.targets):
            path = f"{_PATH}.targets[{index}].revision"
            if target.revision > program.revision:
                faults.append(FieldViolation(path, f"the program has revisions 1 to {program.revision}"))
            if target.revision in [each.revision for each in new.targets[:index]]:
                faults.append(FieldViolation(path, f"revision {target.revision} is there twice"))
        if faults:
            raise InvalidFields(*faults)


@action(ProgramAlias, _ROLLBACK)
async def rollback(
    call: Call, request: program_alias_pb2.RollbackProgramAliasRequest
) -> program_alias_pb2.ProgramAlias:
    """Gives an alias the targets back that it had."""
    async with call.transaction():
        row = await call.row(ProgramAlias, request.id, verb=_ROLLBACK, lock=True)
        wanted = request.revision or row["revision"] - 1
        if wanted < 1:
            raise IllegalState("it has never been anything else", action=_ROLLBACK, status="ACTIVE")
        then = await call.get(ProgramAlias, request.id, revision=wanted, verb=_ROLLBACK)
        back = program_alias_pb2.ProgramAlias(id=request.id, targets=then.targets, etag=request.etag)
        return await call.replace(ProgramAlias, back, FieldMask(paths=["targets"]))


async def _program(call: Call, identifier: str) -> program_pb2.Program:
    try:
        return await call.get(Program, identifier, verb="Update")
    except NotFound:
        told = FieldViolation(f"{_PATH}.program_id", "there is no such program that you can see")
        raise InvalidFields(told) from None


async def revision_named(call: Call, program_id: str, name: str, seed: int) -> int:
    """Returns the revision that an alias draws for one execution; raises InvalidFields when there is no such alias.

    Executions with a seed of their own are drawn by it, others by the request: each comes out the same when it is sent
    again.
    """
    found = await call.list(ProgramAlias, {"program_id": program_id, "name": name, "archived_at": None}, limit=1)
    for alias in found:
        return drawn(alias.targets, digest(alias.id, seed or call.context.request_id, size=8))
    raise InvalidFields(FieldViolation("alias", f"the program has no alias {name} in use"))


def drawn(targets: Sequence[program_alias_pb2.AliasTarget], number: int) -> int:
    """Returns the revision that a number falls on, each as often as its weight says."""
    place = number % sum(each.weight for each in targets)
    for each in targets:
        place -= each.weight
        if place < 0:
            return each.revision
    raise AssertionError("a place is below the sum of the weights")
