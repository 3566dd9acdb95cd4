"""The first start: secrets, the organization `default`, and its administrator's key where only the owner reads it."""

import os
import time
from pathlib import Path

from ashgrove.auth.v1 import organization_pb2
from ashgrove.auth.v1.organization_requests_pb2 import CreateOrganizationRequest

from framework.call import Actor, ActorKind, Context, Role
from framework.identifiers import new_id
from framework.resource import Registry
from framework.storage import Database
from services.auth.founding import found_organization

ADMIN_KEY = "admin.key"
_SECONDS = 30.0


async def found_first(database: Database, registry: Registry, pepper: bytes, home: Path) -> Path | None:
    """Founds the platform's first organization unless there is one; returns where the administrator's key lies.

    The administrator is the platform's operator. Safe to repeat, and to run twice at once.
    """
    async with database.system() as tx:
        await tx.fetch("SELECT pg_advisory_xact_lock(hashtext('auth:bootstrap'))")
        if await tx.fetch("SELECT 1 FROM organizations LIMIT 1"):
            return None
        request = CreateOrganizationRequest(
            organization=organization_pb2.Organization(name="default"),
            admin_email="admin@localhost",
            admin_name="Administrator",
        )
        founded = await found_organization(tx, _context(), registry, pepper, request, operator=True)
        # Before the commit: an organization whose key nobody has would be worse than a key without organization.
        return _keep(home / ADMIN_KEY, founded.secret)


def _context() -> Context:
    actor = Actor(ActorKind.SERVICE, "auth", role=Role.ADMIN, operator=True)
    return Context(actor, "Bootstrap", str(new_id()), time.monotonic() + _SECONDS)


def _keep(path: Path, secret: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    fresh.replace(path)
    return path
