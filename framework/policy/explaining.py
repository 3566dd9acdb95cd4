"""Which policy decided, and why: the same meaning as the folded rule, told step by step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from framework.policy.checks import AllOf, AnyOf, Check
from framework.policy.policies import Policy, rule_for

Verdict = bool | None
"""True, False, or None where it depends on the row."""
Answer = Callable[[Check], Verdict]


@dataclass(frozen=True)
class CheckVerdict:
    """A check's answer, and those of its parts."""

    check: Check
    verdict: Verdict
    parts: tuple["CheckVerdict", ...] = ()


@dataclass(frozen=True)
class PolicyVerdict:
    """A policy's part in a decision."""

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
    if not isinstance(check, AllOf | AnyOf):
        return CheckVerdict(check, answer(check))
    parts = (verdict_of(check.left, answer), verdict_of(check.right, answer))
    settling = isinstance(check, AnyOf)  # what one part alone can settle
    said = [part.verdict for part in parts]
    verdict = settling if settling in said else None if None in said else not settling
    return CheckVerdict(check, verdict, parts)


def _decision(
    policies: Sequence[Policy], verb: str, verdicts: Sequence[CheckVerdict], answer: Answer
) -> tuple[Verdict, Policy | None, str]:
    verdict = verdict_of(rule_for(policies, verb), answer).verdict
    if verdict is None:
        return None, None, "it depends on the row"
    applicable = [(one, found) for one, found in zip(policies, verdicts, strict=True) if one.applies(verb)]
    for one, found in applicable:
        # A bypass settles by passing, any other policy by not passing; the first that settles it so has decided.
        if one.bypasses is verdict and found.verdict is verdict:
            return verdict, one, f"`{one}` {'passes, which ends the matter' if verdict else 'does not pass'}"
    if verdict:
        return True, None, "every policy that applies passes"
    return False, None, f"no policy lets anybody {verb}"
