"""Policies, with Ash's meaning: every applicable one must pass, at least one must apply, a passing bypass ends it.

A `forbid` refuses whoever passes its check, and never allows anything by itself. Policies are asked in their order: a
bypass ends the matter for what follows it, so a `forbid` above the administrators' bypass binds them too.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, lru_cache

from google.protobuf.descriptor import Descriptor

from framework.call import Actor, Context
from framework.policy.act_checks import MOST, ActCheck, asked_of, leads, possible, settled
from framework.policy.actor_checks import anyone, nobody
from framework.policy.checks import Check, Verdict, leaves_of
from framework.policy.row_checks import ColumnIs, Reaches
from framework.resource import ResourceSpec
from framework.resource.registry import is_read

READS = ("Get", "List")
# Every verb that is not a read; custom actions say READS-like names themselves.
WRITES = ("*writes*",)


class Effect(Enum):
    """What a policy does with its check's answer."""

    NEEDS = "needs"
    BYPASS = "bypass"
    FORBIDS = "forbids"


@dataclass(frozen=True)
class Policy:
    """For some verbs, what must hold, what is enough, or what must not be."""

    verbs: tuple[str, ...]
    allow: Check
    """The check; of a `forbid`, the one that refuses."""
    effect: Effect = Effect.NEEDS

    def __str__(self) -> str:
        verbs = "every write" if self.verbs == WRITES else ", ".join(self.verbs) or "everything"
        return f"{verbs}: {self.effect.value} {self.allow}"

    @property
    def bypasses(self) -> bool:
        """Whether it ends the matter when its check passes."""
        return self.effect is Effect.BYPASS

    @property
    def forbids(self) -> bool:
        """Whether it refuses when its check passes."""
        return self.effect is Effect.FORBIDS

    def applies(self, verb: str) -> bool:
        """Says whether the policy speaks about this verb."""
        if not self.verbs and self.effect is not Effect.NEEDS:
            return True
        return verb in self.verbs or (self.verbs == WRITES and not is_read(verb))

    def speaks_of(self, verb: str) -> bool:
        """Says whether the policy names this verb as one that somebody may do, so that its author thought of it."""
        return verb in self.verbs and self.effect is Effect.NEEDS

    def faults(self, spec: ResourceSpec) -> Iterator[str]:
        """Yields what the policy asks that cannot be asked about the resource."""
        yield from (f"policy `{self}`: {fault}" for fault in self.allow.faults(spec))
        if len(asked_of(self.allow)) > MOST:
            yield f"policy `{self}`: asks more than {MOST} things of the act"

    def misargued(self, requests: Collection[Descriptor]) -> Iterator[str]:
        """Yields the arguments that the policy asks for and that no request of its verbs has, so that none is given."""
        for one in asked_of(self.allow):
            if one.path and not any(leads(one.path, request) for request in requests):
                yield f"policy `{self}`: no request has the field {one.path}"

    def over(self, rest: Check) -> Check:
        """Returns what must hold when the policies after this one ask for `rest`."""
        if self.bypasses:
            return self.allow | rest
        return ~self.allow & rest if self.forbids else self.allow & rest


def policy(*verbs: str, allow: Check) -> Policy:
    """Demands that a check passes for these verbs."""
    return Policy(verbs, allow)


def bypass(check: Check, *verbs: str) -> Policy:
    """Ends the matter in favour of whoever passes, for these verbs or for all."""
    return Policy(verbs, check, Effect.BYPASS)


def forbid(check: Check, *verbs: str) -> Policy:
    """Refuses whoever passes, for these verbs or for all; a bypass above it goes before."""
    return Policy(verbs, check, Effect.FORBIDS)


def rule_for(policies: Sequence[Policy], verb: str) -> Check:
    """Folds the policies that apply to a verb into one check; nobody passes where none applies."""
    applicable = [p for p in policies if p.applies(verb)]
    rule: Check = anyone if any(p.effect is Effect.NEEDS for p in applicable) else nobody
    for one in reversed(applicable):
        rule = one.over(rule)
    return rule


Answers = tuple[Verdict, ...]
"""What an act answers to the checks that ask it, in their order."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What must hold for a verb on a resource, and what that asks of the act."""

    check: Check
    asked: tuple[ActCheck, ...]

    def answers(self, context: Context) -> Answers:
        """Returns what this act answers; nothing for a rule that asks nothing of it."""
        return tuple(one.ask(context) for one in self.asked)

    def passing(self, answers: Answers = ()) -> Check:
        """Returns the check with the act's answers in it, passing where what is still open could pass."""
        return possible(settled(self.check, dict(zip(self.asked, answers, strict=False)))) if self.asked else self.check

    def decide(self, context: Context) -> Verdict:
        """Returns what is decided about this act before any row is known."""
        return self.for_act(context).decide(context.actor) if self.asked else _decided(self, context.actor)

    def for_act(self, context: Context) -> Check:
        """Returns the check for this act, passing where what is still open could pass."""
        return self.passing(self.answers(context))


# Keyed by the actor's facts, as statements are.
@lru_cache(maxsize=4096)
def _decided(rule: Rule, actor: Actor) -> Verdict:
    return rule.check.decide(actor)


@cache
def rule_of(spec: ResourceSpec, verb: str) -> Rule:
    """Returns the rule of a verb on a resource, folded once."""
    check = rule_for(spec.policies, verb)
    return Rule(check, asked_of(check))


@cache
def deciding_fields(spec: ResourceSpec) -> frozenset[str]:
    """Returns the columns by whose change a row comes into somebody's view or leaves it."""
    leaves = [leaf for one in spec.policies if one.applies("Get") for leaf in leaves_of(one.allow)]
    columns = {leaf.column for leaf in leaves if isinstance(leaf, ColumnIs)}
    ways = [spec.relationships[leaf.path.split(".")[0]] for leaf in leaves if isinstance(leaf, Reaches)]
    return frozenset(columns | {way.key for way in ways if not way.many})
