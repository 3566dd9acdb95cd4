"""People: the platform's own table of who signs in with a password, and what each is in which organization."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from framework.call import Role
from framework.identifiers import new_id
from framework.storage import Transaction
from services.auth import passwords
from services.auth.credentials import role_of

# So many failures in a row are forgiven; each further one bars the person for so long, right password or not.
FORGIVEN = 10
BARRED_SECONDS = 30

_FIND = """
SELECT id, email, password_hash, reset_until IS NULL AS lasting, coalesce(reset_until > now(), true) AS fresh
FROM people WHERE email_key = lower(%(email)s)
"""
_MEMBERSHIPS = """
SELECT u.organization_id, o.name, u.id, u.role,
       NOT u.deactivated AND (u.ended_at IS NULL OR u.ended_at > now()) AND o.suspended_at IS NULL AS active
FROM users u JOIN organizations o ON o.id = u.organization_id
WHERE u.person_id = %(person)s ORDER BY lower(o.name)
"""
_MEMBERSHIP = _MEMBERSHIPS.replace(
    "u.person_id = %(person)s", "u.organization_id = %(organization)s AND u.id = %(user)s"
)
_PERSON_OF = "SELECT person_id FROM users WHERE organization_id = %(organization)s AND id = %(user)s"
_INSERT = """
INSERT INTO people (id, email, password_hash) VALUES (%(id)s, %(email)s, %(hash)s)
ON CONFLICT DO NOTHING RETURNING id
"""
# Behind the lock: of many guesses at once each one sees what the others before it came to.
_FREE = """
SELECT barred_until IS NULL OR barred_until <= clock_timestamp() AS free FROM people WHERE id = %(id)s FOR UPDATE
"""
_NOTE = """
UPDATE people SET failures = CASE WHEN %(proved)s THEN 0 ELSE failures + 1 END,
    barred_until = CASE WHEN NOT %(proved)s AND failures + 1 > %(forgiven)s
                        THEN clock_timestamp() + %(seconds)s * interval '1 second' END
WHERE id = %(id)s
"""
_NEW_PASSWORD = """
UPDATE people SET password_hash = %(hash)s, reset_until = now() + %(seconds)s * interval '1 second',
    failures = 0, barred_until = NULL, updated_at = now()
WHERE id = %(id)s
"""
_END_SESSIONS = """
UPDATE sessions SET ended_at = now() WHERE ended_at IS NULL
AND user_id IN (SELECT id FROM users WHERE person_id = %(id)s)
"""
_NOBODY = UUID(int=0)


@dataclass(frozen=True)
class Person:
    """Somebody who signs in; a password that is not `lasting` was handed out by the operator, `fresh` for an hour."""

    id: UUID
    email: str
    password_hash: str
    lasting: bool
    fresh: bool

    async def proves(self, password: str, *, changing: bool) -> bool:
        """Tells whether this is the person's password, good for signing in, or for setting another."""
        return await passwords.matches(self.password_hash, password) and (self.fresh if changing else self.lasting)


@dataclass(frozen=True)
class Membership:
    """What a person is in one organization, and whether that works now."""

    organization_id: UUID
    organization_name: str
    user_id: UUID
    role: Role
    active: bool


async def find(tx: Transaction, email: str) -> Person | None:
    """Returns the person with an address, in any case."""
    row = await tx.fetch_one(_FIND, {"email": email})
    return Person(**row) if row else None


async def proven(person: Person | None, password: str, *, changing: bool = False) -> bool:
    """Tells whether somebody, who may be nobody, has this password; both cost the same."""
    return await person.proves(password, changing=changing) if person else await passwords.matches(None, password)


async def add(tx: Transaction, email: str, password_hash: str) -> UUID | None:
    """Adds a person and returns the id; None when somebody else has just taken the address."""
    row = await tx.fetch_one(_INSERT, {"id": new_id(), "email": email, "hash": password_hash})
    return row["id"] if row else None


async def memberships(tx: Transaction, person_id: UUID | None) -> list[Membership]:
    """Returns what a person is, and where, by the organizations' names."""
    rows = await tx.fetch(_MEMBERSHIPS, {"person": person_id or _NOBODY})
    return [_membership(row) for row in rows]


async def membership(tx: Transaction, organization_id: UUID, user_id: UUID) -> Membership:
    """Returns what a user is, in the one organization that a user is of."""
    row = await tx.fetch_one(_MEMBERSHIP, {"organization": organization_id, "user": user_id})
    assert row is not None, "callers are users"
    return _membership(row)


async def person_of(tx: Transaction, organization_id: UUID, user_id: UUID) -> UUID | None:
    """Returns who a user is; None for one who has no password."""
    row = await tx.fetch_one(_PERSON_OF, {"organization": organization_id, "user": user_id})
    return row["person_id"] if row else None


async def note(tx: Transaction, person: Person | None, *, proved: bool) -> bool:
    """Counts a failure, or forgets those before a success; tells which it is: nothing is proved while one is barred."""
    whose = {"id": person.id if person else _NOBODY}
    row = await tx.fetch_one(_FREE, whose)
    proved = proved and row is not None and row["free"]
    await tx.execute(_NOTE, whose | {"proved": proved, "forgiven": FORGIVEN, "seconds": BARRED_SECONDS})
    return proved


async def set_password(tx: Transaction, person_id: UUID, password_hash: str, *, seconds: int | None = None) -> None:
    """Puts a password in the place of another, and ends the person's sessions.

    With `seconds` it is handed out: good for setting another for so long, and for nothing else.
    """
    await tx.execute(_NEW_PASSWORD, {"id": person_id, "hash": password_hash, "seconds": seconds})
    await tx.execute(_END_SESSIONS, {"id": person_id})


def _membership(row: dict[str, Any]) -> Membership:
    return Membership(row["organization_id"], row["name"], row["id"], role_of(row["role"]), row["active"])
