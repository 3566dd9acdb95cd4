"""Which policy decided, and why: the same meaning as the folded rule, told step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framework.policy.checks import Check, Composite, Verdict
from framework.policy.policies import Effect, Policy, rule_for

Answer = Callable[[Check], Verdict]


@dataclass(frozen=True)
class CheckVerdict:
    """A check's answer, and those of its parts."""

    check: Check
    verdict: Verdict
    parts: tuple["CheckVerdict", ...] = ()


@dataclass(frozen=True)
class PolicyVerdict:
    """A policy's part in a decision; `check` is what its check says, whatever the policy makes of it."""

    policy: Policy
    applies: bool
    check: CheckVerdict
    decisive: bool


@dataclass(frozen=True)
class Explanation:
    """A decision with every policy's part in it."""

    verdict: Verdict
    reason: str
    policies: tuple[PolicyVerdict, ...]


def explained(policies: Sequence[Policy], verb: str, answer: Answer) -> Explanation:
    """Returns what the policies decide about a verb and which of them does; `answer` says what single checks say."""
    verdicts = [verdict_of(one.allow, answer) for one in policies]
    verdict, decisive, reason = _decision(policies, verb, verdicts, answer)
    told = [
        PolicyVerdict(one, one.applies(verb), found, one is decisive)
        for one, found in zip(policies, verdicts, strict=True)
    ]
    return Explanation(verdict, reason, tuple(told))


def verdict_of(check: Check, answer: Answer) -> CheckVerdict:
    """Returns what a check says, with its parts; an open part leaves the whole open unless the other settles it."""
    if not isinstance(check, Composite):
        return CheckVerdict(check, answer(check))
    parts = tuple(verdict_of(part, answer) for part in check.parts)
    return CheckVerdict(check, check.combined([part.verdict for part in parts]), parts)


# What each kind of policy settles by itself: by which answer of its check, and how.
_SETTLES = {Effect.BYPASS: (True, True), Effect.NEEDS: (False, False), Effect.FORBIDS: (True, False)}
_TOLD = {
    Effect.BYPASS: "passes, which ends the matter",
    Effect.NEEDS: "does not pass",
    Effect.FORBIDS: "passes, which forbids it",
}


def _decision(
    policies: Sequence[Policy], verb: str, verdicts: Sequence[CheckVerdict], answer: Answer
) -> tuple[Verdict, Policy | None, str]:
    verdict = verdict_of(rule_for(policies, verb), answer).verdict
    if verdict is None:
        return None, None, "it depends on the row, or on what is asked"
    applicable = [(one, found) for one, found in zip(policies, verdicts, strict=True) if one.applies(verb)]
    for one, found in applicable:
        # The first that settles it in favour of what came out has decided.
        if _SETTLES[one.effect] == (found.verdict, verdict):
            return verdict, one, f"`{one}` {_TOLD[one.effect]}"
    if verdict:
        return True, None, "every policy that applies passes"
    return False, None, f"no policy lets anybody {verb}"
