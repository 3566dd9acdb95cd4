"""Policies, with Ash's meaning: every applicable one must pass, at least one must apply, a passing bypass ends it."""

from collections.abc import Sequence
from dataclasses import dataclass

from framework.policy.checks import ActorCheck, Check

READS = ("Get", "List")
# Every verb that is not a read; custom actions say READS-like names themselves.
WRITES = ("*writes*",)

_nobody = ActorCheck("nobody", lambda a: False)
_everybody = ActorCheck("everybody", lambda a: True)


@dataclass(frozen=True)
class Policy:
    """For some verbs, what must hold."""

    verbs: tuple[str, ...]
    allow: Check
    bypasses: bool = False

    def __str__(self) -> str:
        verbs = "every write" if self.verbs == WRITES else ", ".join(self.verbs) or "everything"
        return f"{verbs}: {'bypass' if self.bypasses else 'needs'} {self.allow}"

    def applies(self, verb: str) -> bool:
        """Says whether the policy speaks about this verb."""
        if self.bypasses and not self.verbs:
            return True
        return verb in self.verbs or (self.verbs == WRITES and not verb.startswith(("Get", "List", "Watch")))

    def speaks_of(self, verb: str) -> bool:
        """Says whether the policy names this verb, so that its author thought of it."""
        return verb in self.verbs and not self.bypasses


def policy(*verbs: str, allow: Check) -> Policy:
    """Demands that a check passes for these verbs."""
    return Policy(verbs, allow)


def bypass(check: Check, *verbs: str) -> Policy:
    """Ends the matter in favour of whoever passes, for these verbs or for all."""
    return Policy(verbs, check, bypasses=True)


def rule_for(policies: Sequence[Policy], verb: str) -> Check:
    """Folds the policies that apply to a verb into one check; nobody passes where none applies."""
    applicable = [p for p in policies if p.applies(verb)]
    rule: Check = _everybody if any(not p.bypasses for p in applicable) else _nobody
    for one in reversed(applicable):
        rule = one.allow | rule if one.bypasses else one.allow & rule
    return rule
