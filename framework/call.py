"""Who calls, for whom and until when: the facts every layer may read about one call."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from framework.errors import DeadlinePassed


class ActorKind(Enum):
    """What kind of actor makes a call."""

    USER = "user"
    SERVICE = "service"
    ANONYMOUS = "anonymous"


class Role(Enum):
    """What a user may do inside an organization."""

    ADMIN = "admin"
    USER = "user"
    VIEWER = "viewer"


@dataclass(frozen=True)
class Actor:
    """Who acts, as the identity token says; `organization_id` is the only source of tenancy.

    `delegate` names the service that acts for a user; `actions` bounds what a grant or a key allows: names of RPCs and
    scopes such as `programs:read`, None meaning no bound. `label` is what people call a user: the e-mail address.
    `operator` runs the platform; a `guest` is somebody of the platform's who was let into an organization for a while.
    `ends_at` is when the credential ends by itself, in `time.time()` seconds: streams end with it.
    """

    kind: ActorKind = ActorKind.ANONYMOUS
    id: str = ""
    organization_id: UUID | None = None
    role: Role | None = None
    credential_id: str = ""
    delegate: str = ""
    operator: bool = False
    actions: frozenset[str] | None = None
    label: str = ""
    ends_at: float = field(default=math.inf, compare=False)
    guest: bool = False

    def __hash__(self) -> int:
        return self._hash  # asked several times a call, as a key of what is kept for an actor

    @cached_property
    def _hash(self) -> int:
        return hash((self.kind, self.id, self.organization_id, self.role, self.credential_id, self.actions))

    @property
    def user_id(self) -> UUID | None:
        """The user's id, or None when the actor is no user."""
        return UUID(self.id) if self.kind is ActorKind.USER else None

    def covers(self, rpc: str, collection: str, *, reads: bool) -> bool:
        """Says whether the actor's bound, if there is one, covers an RPC that acts on a collection."""
        if self.actions is None or rpc in self.actions:
            return True
        acts = ("*", "read" if reads else "write")
        return any(f"{which}:{act}" in self.actions for which in ("*", collection) for act in acts)


ANONYMOUS = Actor()


def service_actor(name: str, organization_id: UUID | None = None) -> Actor:
    """Returns one of the platform's own services as an actor."""
    return Actor(ActorKind.SERVICE, name, organization_id)


@dataclass(frozen=True)
class Context:
    """One call: its actor, the RPC's name, its request id, its deadline and the token to pass on.

    `deadline` is `time.monotonic()` seconds, `token_ends` is `time.time()`; `trace_id` is empty outside a trace, and
    `traceparent` is what the caller said of it.
    `address` is the client's IP address as the gateway saw it, empty for calls that did not come through it.
    `arguments` is the request and `changes` what it would write, each field with its old and new value as columns hold
    them; both are None while nobody knows them, and neither is ever shown.
    """

    actor: Actor
    action: str
    request_id: str
    deadline: float
    token: str = field(default="", repr=False)
    address: str = ""
    user_agent: str = ""
    arguments: Message | None = field(default=None, repr=False)
    changes: Mapping[str, tuple[Any, Any]] | None = field(default=None, repr=False)
    token_ends: float = math.inf
    trace_id: str = ""
    traceparent: str = ""

    @property
    def organization_id(self) -> UUID:
        """The tenant of the call; a call without one must not reach tenant data."""
        if self.actor.organization_id is None:
            raise AssertionError(f"{self.action} reached tenant data without an organization")
        return self.actor.organization_id

    def remaining(self) -> float:
        """Returns the seconds left; raises DeadlinePassed when there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise DeadlinePassed("the deadline passed before the work was done")
        return left
