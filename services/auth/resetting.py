"""Resetting a password: how whoever lost theirs, or never had it, comes in again by the operator's hand."""

from framework.engine.writing import event_of
from framework.errors import NotFound
from framework.storage import Database
from services.auth import keys, passwords, people
from services.auth.bootstrap import as_platform
from services.auth.founding import inside

BRAND = "ashgrove_reset"
SECONDS = 3600


async def reset_password(database: Database, email: str) -> str:
    """Ends a person's password and sessions; returns the text by which ChangePassword sets another, within an hour.

    Every organization of the person's is told. Raises NotFound when nobody signs in by this address.
    """
    text = keys.new_key(BRAND)
    stored = await passwords.hashed(text)
    async with database.system() as tx:
        person = await people.find(tx, email)
        if person is None:
            raise NotFound("person", email)
        await people.set_password(tx, person.id, stored, seconds=SECONDS)
        for one in await people.memberships(tx, person.id):
            event = event_of(inside(as_platform("ResetPassword"), one.organization_id), "user.password_reset", "OK")
            event.resource_type, event.resource_id = "user", str(one.user_id)
            await tx.record(event)
    return text
