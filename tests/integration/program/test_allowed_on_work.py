"""What an evaluation says may be done to it, in every state and for everybody, is what calls do."""

from typing import Any

import pytest
from ashgrove.program.v1 import evaluation_requests_pb2 as rpc
from ashgrove.program.v1 import execution_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from framework.errors import Failure
from framework.identifiers import new_id
from framework.testing.workbench import Workbench
from tests.integration.program.making import create_dataset, create_program

_INSERT = """
INSERT INTO evaluations (organization_id, id, program_id, dataset_id, owner_id, status, completed_at)
VALUES (%(organization)s, %(id)s, %(program)s, %(dataset)s, %(owner)s, %(status)s, now())"""
STATES = [value.name for value in execution_pb2.WorkStatus.DESCRIPTOR.values[1:]]
MASK = FieldMask(paths=["allowed_actions"])


async def standing(bench: Workbench, status: str) -> str:
    """Returns the id of a user's evaluation that stands there."""
    program, dataset = await create_program(bench, name=status, visibility=2), await create_dataset(bench, name=status)
    row = {"organization": bench.organization_id, "id": new_id(), "program": program.id, "dataset": dataset.id}
    async with bench.database.system() as tx:
        await tx.execute(_INSERT, row | {"owner": bench.user.id, "status": status})
    return str(row["id"])


async def does(bench: Workbench, verb: str, identifier: str, actor: Any) -> bool:
    """Says whether a call is let through and changes something."""
    before = await bench.do("GetEvaluation", rpc.GetEvaluationRequest(id=identifier), bench.admin)
    try:
        after = await bench.do(verb, getattr(rpc, f"{verb}Request")(id=identifier), actor)
    except Failure:
        return False
    return bool(after != before)


@pytest.mark.parametrize("status", STATES)
@pytest.mark.parametrize("verb", ["CancelEvaluation", "PauseEvaluation"])
async def test_work_says_what_calls_do(bench: Workbench, status: str, verb: str) -> None:
    """Who may not do it is not told of it, nor is anybody where there is nothing left to do."""
    identifier = await standing(bench, status)
    for actor in (bench.viewer, bench.colleague, bench.user):
        asked = rpc.GetEvaluationRequest(id=identifier, read_mask=MASK)
        told = (await bench.do("GetEvaluation", asked, actor)).allowed_actions
        assert "GetEvaluation" in told
        assert (verb in told) == await does(bench, verb, identifier, actor), (actor.role, status)
