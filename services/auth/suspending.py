"""Suspension: an organization in which nobody acts, until the operator resumes it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import ResumeOrganizationRequest, SuspendOrganizationRequest

from framework.engine import Call
from framework.engine.writing import change
from framework.errors import IllegalState, NotFound
from framework.resource import ResourceSpec, action
from framework.storage import Transaction, codec_of
from services.auth.founding import inside
from services.auth.organizations import Organization

_FIND = """
SELECT o.*, EXISTS (
    SELECT FROM users u WHERE u.organization_id = o.id AND u.operator
) AS runs_the_platform FROM organizations o WHERE o.id = %(id)s FOR UPDATE OF o
"""


async def found(tx: Transaction, identifier: str) -> dict[str, Any]:
    """Returns an organization's row, locked; raises NotFound when there is none."""
    row = await tx.fetch_one(_FIND, {"id": UUID(identifier)})
    if row is None:
        raise NotFound("organization", identifier)
    return row


@action(Organization, "SuspendOrganization")
async def suspend(call: Call, request: SuspendOrganizationRequest) -> organization_pb2.Organization:
    """Suspends an organization; one that is suspended keeps its time and takes the new reason.

    Raises IllegalState for the operators' own.
    """
    async with call.database.system() as tx:
        row = await found(tx, request.id)
        if row["runs_the_platform"]:
            raise IllegalState("the operators' own organization cannot be suspended; legal: every other one")
        since = row["suspended_at"] or datetime.now(UTC)
        return await _changed(tx, call, row, {"suspended_at": since, "suspension_reason": request.reason})


@action(Organization, "ResumeOrganization")
async def resume(call: Call, request: ResumeOrganizationRequest) -> organization_pb2.Organization:
    """Resumes an organization; one that works stays as it is."""
    async with call.database.system() as tx:
        row = await found(tx, request.id)
        if row["suspended_at"] is None:
            row.pop("runs_the_platform")
            unchanged: organization_pb2.Organization = codec_of(_spec(call)).message(row)
            return unchanged
        return await _changed(tx, call, row, {"suspended_at": None, "suspension_reason": ""})


async def _changed(
    tx: Transaction, call: Call, row: dict[str, Any], columns: Mapping[str, Any]
) -> organization_pb2.Organization:
    row.pop("runs_the_platform")
    within = inside(call.context, row["id"])
    # Told in the organization's own trail: its administrators are who must know.
    changed: organization_pb2.Organization = await change(tx, _spec(call), within, row, columns, "")
    return changed


def _spec(call: Call) -> ResourceSpec:
    return call.engine.registry.by_message("ashgrove.auth.v1.Organization")
