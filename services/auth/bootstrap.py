"""The first start: the operators' organization, the organization `default`, and a key of each for its owner's eyes."""

import os
import time
from pathlib import Path

from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest

from framework.call import Actor, ActorKind, Context, Role
from framework.identifiers import new_id
from framework.resource import Registry
from framework.storage import Database, Transaction
from services.auth.founding import found_organization

ADMIN_KEY, OPERATOR_KEY = "admin.key", "operator.key"
_SECONDS = 30.0
_OPERATORS = "SELECT 1 FROM users WHERE operator LIMIT 1"
_OTHERS = """
SELECT 1 FROM organizations o WHERE NOT EXISTS (
    SELECT FROM users u WHERE u.organization_id = o.id AND u.operator
) LIMIT 1
"""


async def found_first(database: Database, registry: Registry, pepper: bytes, home: Path) -> list[Path]:
    """Founds what the platform lacks; returns where the keys lie that it made.

    The operator runs the platform and sees nobody's content; the administrator of `default` rules there and nowhere
    else. Safe to repeat, and to run twice at once.
    """
    async with database.system() as tx:
        await tx.fetch("SELECT pg_advisory_xact_lock(hashtext('auth:bootstrap'))")
        made = []
        for name, request in await _lacking(tx):
            operator = name == OPERATOR_KEY
            founded = await found_organization(
                tx, as_platform("Bootstrap"), registry, pepper, request, operator=operator
            )
            # Before the commit: an organization whose key nobody has would be worse than a key without organization.
            made.append(_keep(home / name, founded.secret))
        return made


async def _lacking(tx: Transaction) -> list[tuple[str, CreateOrganizationRequest]]:
    operators, others = await tx.fetch(_OPERATORS), await tx.fetch(_OTHERS)
    found = [] if operators else [(OPERATOR_KEY, _request("platform", "operator@localhost", "Operator"))]
    return found if others else [*found, (ADMIN_KEY, _request("default", "admin@localhost", "Administrator"))]


def _request(name: str, email: str, person: str) -> CreateOrganizationRequest:
    organization = organization_pb2.Organization(name=name)
    return CreateOrganizationRequest(organization=organization, admin_email=email, admin_name=person)


def as_platform(act: str) -> Context:
    """Returns what a command of the operator's does as a call."""
    actor = Actor(ActorKind.SERVICE, "auth", role=Role.ADMIN, operator=True)
    return Context(actor, act, str(new_id()), time.monotonic() + _SECONDS)


def _keep(path: Path, secret: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    fresh.replace(path)
    return path
