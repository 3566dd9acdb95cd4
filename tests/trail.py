"""Writes that a crash interrupts, and what the audit trail must hold of them afterwards."""

import asyncio
from collections import Counter

import grpc
from ashgrove.areas import AuditArea, VariablesArea
from ashgrove.audit.v1.audit_entry_requests_pb2 import VerifyAuditChainRequest, VerifyAuditChainResponse
from ashgrove.variables.v1.variable_space_pb2 import FloatDomain, Variable, VariableSpace
from ashgrove.variables.v1.variable_space_requests_pb2 import CreateVariableSpaceRequest

from framework.call import Actor, Role
from framework.identifiers import new_id
from framework.testing.workbench import user
from tests.processes import Processes

SERVICES = ("auth", "variables", "audit")


async def survives(processes: Processes, victim: str, failpoint: str, writes: int = 6) -> None:
    """Has a service killed at a failpoint among writes, and asserts that the trail holds each of them exactly once."""
    admin = user(new_id(), Role.ADMIN)
    await processes.restart(victim, failpoint=failpoint)
    answers = await asyncio.gather(*(_write(processes, admin, n) for n in range(writes)))
    await processes.killed(victim)
    await processes.restart(victim)
    await processes.caught_up("audit", "variables")
    organization = str(admin.organization_id)
    rows = await processes.fetch("SELECT id FROM variables.variable_spaces WHERE organization_id = %s", organization)
    entries = await processes.fetch(
        "SELECT resource_id FROM audit.audit_entries WHERE organization_id = %s AND type = 'variable_space.created'",
        organization,
    )
    assert Counter(entries) == Counter(rows), "one entry for each row, and none for a row that never was"
    assert {one for one in answers if one} <= {str(row[0]) for row in rows}, "what was answered is kept"
    found = await _verified(processes, admin, signed=bool(rows))
    assert (found.valid, found.verified_count) == (True, len(rows)), found


async def _verified(processes: Processes, admin: Actor, *, signed: bool) -> VerifyAuditChainResponse:
    """Returns what is found of a chain once it has been signed."""
    while True:
        request = VerifyAuditChainRequest()
        found: VerifyAuditChainResponse = await processes.call("audit", AuditArea, "VerifyAuditChain", request, admin)
        if found.checkpoint_count or not signed or not found.valid:
            return found
        await asyncio.sleep(0.05)


async def _write(processes: Processes, actor: Actor, number: int) -> str:
    """Creates a space and returns its id; nothing when the answer did not come."""
    space = VariableSpace(name=f"crash {number}", variables=[Variable(name="heat", float=FloatDomain(low=0, high=1))])
    request = CreateVariableSpaceRequest(variable_space=space)
    try:
        made = await processes.call("variables", VariablesArea, "CreateVariableSpace", request, actor)
    except grpc.aio.AioRpcError as cut:
        assert cut.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL), cut
        return ""
    return str(made.id)
