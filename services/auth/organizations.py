"""Organizations as a resource: the walls between tenants, which the operator founds, suspends and resumes."""

from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import (
    CreateOrganizationRequest,
    CreateOrganizationResponse,
)

from framework.engine import Call
from framework.policy import is_operator, is_own_organization, policy
from framework.resource import Resource, Storage, Tenancy, action
from services.auth.founding import found_organization


class Organization(Resource[organization_pb2.Organization]):
    """The walls between tenants; a table of the platform, since an organization's id is its rows' tenant key."""

    storage = Storage(
        unique=[("name_key",)],
        hidden={"name_key": "text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED"},
        tenancy=Tenancy.GLOBAL,
    )
    # No bypass for administrators: they rule inside one organization, and this table holds them all.
    policies = [
        policy("Get", "List", allow=is_own_organization | is_operator),
        policy(
            "CreateOrganization", "Create", "SuspendOrganization", "ResumeOrganization", "BreakGlass", allow=is_operator
        ),
    ]


@action(Organization, "CreateOrganization")
async def create_organization(call: Call, request: CreateOrganizationRequest) -> CreateOrganizationResponse:
    """Creates an organization, its first administrator and that administrator's key."""
    async with call.database.system() as tx:
        return await found_organization(tx, call.context, call.engine.registry, call.application.pepper, request)
