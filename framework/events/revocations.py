"""What auth's feed takes away while a stream lives: keys, memberships, roles, organizations; each frame asks."""

import math
import time
from collections import OrderedDict
from datetime import datetime
from typing import Any

from ashgrove.event.v1.event_pb2 import Event

from framework.call import Actor, ActorKind, Context
from framework.errors import Unauthenticated

_REMEMBERED = 100_000
# A heartbeat comes every 15 seconds: a feed that is silent for longer tells nothing about anybody.
_SILENCE_SECONDS = 20.0
_CHANGES_OF_USERS = ("user.updated", "user.archived", "user.purged")


class Revocations:
    """What was taken away since this process began to listen: keys, users' roles, whole organizations."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, None] = OrderedDict()
        self._ends: OrderedDict[str, float] = OrderedDict()  # of keys that were replaced
        self._roles: OrderedDict[str, str] = OrderedDict()
        self._suspended: OrderedDict[str, None] = OrderedDict()
        self._heard = -math.inf

    def heard(self) -> None:
        """Notes a sign of life of auth's feed."""
        self._heard = time.monotonic()

    def note(self, event: Event) -> bool:
        """Takes in an event of auth; True when it may end somebody's streams."""
        if event.outcome != "OK":
            return False
        if event.resource_type == "api_key" and "revoked_at" in event.changed_paths:
            return _remember(self._keys, event.resource_id, None)
        if event.resource_type == "api_key" and "expires_at" in event.changed_paths:
            return _remember(self._ends, event.resource_id, _seconds(event.data.fields["expires_at"].string_value))
        if event.resource_type == "organization" and "suspended_at" in event.changed_paths:
            if event.data.fields["suspended_at"].string_value:
                return _remember(self._suspended, event.resource_id, None)
            self._suspended.pop(event.resource_id, None)
            return False
        if event.resource_type == "user" and event.type in _CHANGES_OF_USERS:
            role = event.data.fields["role"].string_value
            lost = event.data.fields["deactivated"].bool_value or event.type != "user.updated"
            return _remember(self._roles, event.resource_id, "" if lost else role)
        return False

    def check(self, context: Context) -> None:
        """Raises Unauthenticated once the caller's credential, membership or role is no more what its token says.

        While auth's feed is silent nothing is known, and the token's own end is the caller's.
        """
        actor = context.actor
        if actor.kind is not ActorKind.USER:
            return
        now = time.time()
        if now > context.token_ends and time.monotonic() - self._heard > _SILENCE_SECONDS:
            raise Unauthenticated
        if now > min(actor.ends_at, self._ends.get(actor.credential_id, math.inf)):
            raise Unauthenticated
        # Each frame comes here: what has to be made into text is made only where it may matter.
        role = self._roles.get(actor.id)
        if actor.credential_id in self._keys or (role is not None and role != _role(actor)):
            raise Unauthenticated
        if self._suspended and str(actor.organization_id) in self._suspended:
            raise Unauthenticated


def _role(actor: Actor) -> str:
    return f"ROLE_{actor.role.name}" if actor.role else ""


def _seconds(told: str) -> float:
    return datetime.fromisoformat(told).timestamp() if told else math.inf


def _remember(memory: OrderedDict[str, Any], key: str, value: object) -> bool:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return True
