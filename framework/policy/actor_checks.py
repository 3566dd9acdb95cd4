"""Checks that the actor alone settles, from what the identity token says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from framework.call import Actor, ActorKind, Role
from framework.policy.checks import Check, Verdict


@dataclass(frozen=True)
class ActorCheck(Check):
    """A check that the actor alone settles."""

    name: str
    test: Callable[[Actor], bool]
    example: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """What an actor must be to pass, where the usual kinds of actors are not enough to try it."""

    def decide(self, actor: Actor) -> Verdict:
        """Says what the test says."""
        return self.test(actor)


def has_role(*named: Role | str) -> Check:
    """Passes for users with one of the roles; `has_role("admin")` is `has_role(Role.ADMIN)`."""
    roles = [Role(each) for each in named]
    return ActorCheck(f"has_role({', '.join(r.value for r in roles)})", lambda a: a.role in roles)


anyone = ActorCheck("anyone", lambda a: True)
nobody = ActorCheck("nobody", lambda a: False)
signed_in = ActorCheck("signed_in", lambda a: a.kind is ActorKind.USER)
is_service = ActorCheck("is_service", lambda a: a.kind is ActorKind.SERVICE)
is_operator = ActorCheck("is_operator", lambda a: a.operator)
is_guest = ActorCheck("is_guest", lambda a: a.guest)
