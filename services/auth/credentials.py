"""The credentials of everybody, in memory: what ext_authz needs to answer without asking anyone.

A credential is an API key, or a membership: what a person who signed in with a password acts with.
"""

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any
from uuid import UUID

from framework.call import Actor, ActorKind, Role
from services.auth import keys
from services.auth.tokens import AccessClaims

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Credential:
    """One API key, or membership, with its user as they stand now; `expires_at` is in Unix seconds, None meaning never.

    A membership has no `key_hash`, and the id of its user.
    """

    api_key_id: UUID
    key_hash: bytes | None
    user_id: UUID
    organization_id: UUID
    role: Role
    operator: bool
    active: bool
    expires_at: float | None
    scopes: frozenset[str] | None = None
    """What calls it may make; None when it may make all of its user's."""
    networks: tuple[Network, ...] = ()
    """From where it works; anywhere when empty."""
    label: str = ""
    """The user's e-mail address."""
    person_id: UUID | None = None
    """Who the user is, where they have a password."""
    guest: bool = False
    """Whether it is the operator's, who was let into the organization for a while."""

    def admits(self, address: str) -> bool:
        """Tells whether the key works from an IP address; where networks are named, what is no address is none."""
        if not self.networks:
            return True
        try:
            found = ip_address(address)
        except ValueError:
            return False
        plain = getattr(found, "ipv4_mapped", None) or found
        return any(plain in network for network in self.networks)

    def holds(self, now: float) -> bool:
        """Tells whether the key works at this time: not revoked, not expired, and its user active."""
        return self.active and (self.expires_at is None or now < self.expires_at)

    def actor(self) -> Actor:
        """Returns whom the key stands for."""
        return Actor(
            ActorKind.USER,
            str(self.user_id),
            self.organization_id,
            self.role,
            credential_id=str(self.api_key_id),
            operator=self.operator,
            guest=self.guest,
            actions=self.scopes,
            label=self.label,
            ends_at=math.inf if self.expires_at is None else self.expires_at,
        )


# One row per key and per membership, with the user: what `credential_of` reads. Callers append a WHERE clause.
CREDENTIAL_QUERY = """
SELECT * FROM (
    SELECT k.id AS api_key_id, k.key_hash, k.user_id, k.organization_id,
           LEAST(k.expires_at, u.ended_at) AS expires_at,
           k.revoked_at IS NULL AND NOT u.deactivated AND o.suspended_at IS NULL AS active,
           k.scopes, k.allowed_addresses, u.role, u.operator, u.email, u.person_id,
           u.kind = 'KIND_BREAK_GLASS' AS guest
    FROM api_keys k
    JOIN users u ON u.organization_id = k.organization_id AND u.id = k.user_id
    JOIN organizations o ON o.id = k.organization_id
    UNION ALL
    SELECT u.id, NULL, u.id, u.organization_id, u.ended_at, NOT u.deactivated AND o.suspended_at IS NULL,
           NULL, NULL, u.role, u.operator, u.email, u.person_id, false
    FROM users u JOIN organizations o ON o.id = u.organization_id
    WHERE u.person_id IS NOT NULL
) c
"""


def credential_of(row: Mapping[str, Any]) -> Credential:
    """Returns a row of `CREDENTIAL_QUERY` as a credential."""
    expires: datetime | None = row["expires_at"]
    return Credential(
        row["api_key_id"],
        bytes(row["key_hash"]) if row["key_hash"] is not None else None,
        row["user_id"],
        row["organization_id"],
        role_of(row["role"]),
        row["operator"],
        row["active"],
        expires.timestamp() if expires else None,
        frozenset(row["scopes"]) if row["scopes"] else None,
        tuple(ip_network(one) for one in row["allowed_addresses"] or ()),
        row["email"],
        row["person_id"],
        row["guest"],
    )


def role_of(stored: str) -> Role:
    """Returns a stored role name (`ROLE_ADMIN`) as a role."""
    return Role(stored.removeprefix("ROLE_").lower())


class Credentials:
    """Every key by its digest, every credential by its id; a change replaces the whole state of those it touches."""

    def __init__(self) -> None:
        self._by_id: dict[UUID, Credential] = {}
        self._by_hash: dict[bytes, Credential] = {}
        self._by_person: dict[tuple[UUID, UUID], Credential] = {}
        self._ended: frozenset[UUID] = frozenset()

    def __len__(self) -> int:
        return len(self._by_id)

    def learn(self, credentials: Iterable[Credential]) -> None:
        """Takes in new or changed credentials."""
        for credential in credentials:
            self._by_id[credential.api_key_id] = credential
            if credential.key_hash is not None:
                self._by_hash[credential.key_hash] = credential
            elif credential.person_id is not None:
                self._by_person[credential.person_id, credential.organization_id] = credential

    def forget_sessions(self, ended: Iterable[UUID]) -> None:
        """Takes in which sessions have ended whose access tokens would still live."""
        self._ended = frozenset(ended)

    def by_key_digest(self, digest: bytes) -> Credential | None:
        """Returns the credential of a key that works now; every miss makes the same comparisons."""
        found = self._by_hash.get(digest)
        matching = keys.matches(found.key_hash if found else None, digest)
        return found if found and matching and found.holds(time.time()) else None

    def by_access_claims(self, claims: AccessClaims, organization_id: UUID | None = None) -> Credential | None:
        """Returns the credential that an access token was made from, if it still works.

        The token of a person who signed in with a password serves all of the person's organizations: where another one
        is named, the credential is the membership there.
        """
        found = self._by_id.get(claims.api_key_id)
        same = found is not None and (found.user_id, found.organization_id) == (claims.user_id, claims.organization_id)
        if found is None or not same or claims.session_id in self._ended:
            return None
        if found.key_hash is None and found.person_id is not None and organization_id is not None:
            found = self._by_person.get((found.person_id, organization_id))
        return found if found and found.holds(time.time()) else None
