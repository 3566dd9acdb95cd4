"""Organizations as a resource: the walls between tenants, which the operator founds, suspends and resumes."""

from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import (
    BreakGlassRequest,
    BreakGlassResponse,
    CreateOrganizationRequest,
    CreateOrganizationResponse,
    ResumeOrganizationRequest,
    SuspendOrganizationRequest,
)

from framework.engine import Call
from framework.policy import is_operator, is_own_organization, policy
from framework.resource import Resource, Storage, Tenancy, action
from services.auth.breaking_glass import broken_glass
from services.auth.founding import found_organization
from services.auth.suspending import resumed, suspended


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

    @action("CreateOrganization")
    async def create_organization(self, call: Call, request: CreateOrganizationRequest) -> CreateOrganizationResponse:
        """Creates an organization, its first administrator and that administrator's key."""
        async with call.database.system() as tx:
            return await found_organization(tx, call.context, call.engine.registry, call.application.pepper, request)

    @action("SuspendOrganization")
    async def suspend(self, call: Call, request: SuspendOrganizationRequest) -> organization_pb2.Organization:
        """Ends whatever goes on in an organization until it is resumed."""
        return await suspended(call, request.id, request.reason)

    @action("ResumeOrganization")
    async def resume(self, call: Call, request: ResumeOrganizationRequest) -> organization_pb2.Organization:
        """Lets a suspended organization work again."""
        return await resumed(call, request.id)

    @action("BreakGlass")
    async def break_glass(self, call: Call, request: BreakGlassRequest) -> BreakGlassResponse:
        """Lets the operator into an organization for a short time."""
        return await broken_glass(call, request)
