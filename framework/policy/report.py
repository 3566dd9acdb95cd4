"""A report on policies before anybody calls: what nobody can do, and checks whose answer never changes anything.

Every kind of actor is tried with every answer that rows and acts could give; checks that the actor settles are asked
themselves.
"""

from collections import ChainMap
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from uuid import UUID

from framework.call import ANONYMOUS, Actor, ActorKind, Role, service_actor
from framework.policy.actor_checks import ActorCheck, anyone
from framework.policy.checks import Check, leaves_of, rewritten
from framework.policy.explaining import verdict_of
from framework.policy.field_policies import READING, WRITING, FieldPolicy, as_policies
from framework.policy.policies import Policy, rule_for

_SOMEWHERE = UUID(int=1)
ACTORS: Sequence[Actor] = (
    ANONYMOUS,
    service_actor("some-service"),
    service_actor("some-service", _SOMEWHERE),
    *(
        Actor(ActorKind.USER, str(UUID(int=2)), _SOMEWHERE, role, operator=operator, guest=guest)
        for role in (None, *Role)
        for operator, guest in ((False, False), (True, False), (False, True))
    ),
)
# More answers of rows than this are not tried one by one; no resource asks so many questions of a row.
_MOST = 10
Answers = Mapping[str, bool]


@dataclass(frozen=True)
class Finding:
    """One thing that policies say and cannot mean."""

    message: str
    nobody: bool = False
    """Whether it is that nobody can do something."""

    def __str__(self) -> str:
        return self.message


def report(policies: Sequence[Policy], verbs: Sequence[str]) -> list[Finding]:
    """Returns what is wrong with the policies of a resource that has these verbs: first what nobody can do."""
    rules = {verb: rule_for(policies, verb) for verb in verbs}
    states = {verb: list(_states(rule)) for verb, rule in rules.items()}
    outcomes = {verb: [passes(rules[verb], *state) for state in states[verb]] for verb in verbs}
    findings = [
        Finding(f"nobody can {verb}, whatever the row", nobody=True) for verb in verbs if not any(outcomes[verb])
    ]

    def changes_nothing(one: Policy, leaf: Check, constant: bool) -> bool:
        for verb in filter(one.applies, verbs):
            forced = rule_for([_forced(p, one, leaf, constant) for p in policies], verb)
            if [passes(forced, *state) for state in states[verb]] != outcomes[verb]:
                return False
        return True

    for one in [p for p in policies if any(map(p.applies, verbs))]:
        # `anyone` says that nothing is asked.
        for leaf in [c for c in leaves_of(one.allow) if c is not anyone]:
            idle = next((str(c).lower() for c in (True, False) if changes_nothing(one, leaf, c)), None)
            if idle:
                findings.append(Finding(f"{leaf} never decides in `{one}`: it could as well be {idle}"))
    return findings


_KINDS = {Role.ADMIN: "administrators", Role.USER: "users", Role.VIEWER: "viewers", None: "people without a role"}


def who_can(policies: Sequence[Policy], verb: str) -> set[str]:
    """Returns the kinds of actors that can do a verb to some row: what a reviewer of policies wants to read."""
    rule = rule_for(policies, verb)
    return {_kind(actor) for actor, answers in _states(rule) if passes(rule, actor, answers)}


def _kind(actor: Actor) -> str:
    if actor.kind is ActorKind.USER:
        return _KINDS[actor.role]
    return "services" if actor.kind is ActorKind.SERVICE else "anybody"


def report_on_fields(policies: Sequence[FieldPolicy], written: Container[str]) -> list[Finding]:
    """Returns what is wrong with field policies, of which clients may write those fields; as of `read <field>`."""
    fields = list(dict.fromkeys(name for one in policies for name in one.fields))
    acts = [*map(READING.format, fields), *(WRITING.format(name) for name in fields if name in written)]
    return report(as_policies(policies), acts)


def _states(rule: Check) -> Iterator[tuple[Actor, Answers]]:
    """Yields every kind of actor with every set of answers that rows could give to it."""
    for actor in _actors(rule):
        open_ = list(dict.fromkeys(str(leaf) for leaf in leaves_of(rule) if leaf.decide(actor) is None))[:_MOST]
        for answers in product((True, False), repeat=len(open_)):
            yield actor, dict(zip(open_, answers, strict=True))


def _actors(rule: Check) -> Iterator[Actor]:
    """Yields the usual kinds of actors, and users as those checks want them that the usual ones never pass."""
    yield from ACTORS
    examples = [leaf.example for leaf in leaves_of(rule) if isinstance(leaf, ActorCheck) and leaf.example]
    merged = [dict(ChainMap(*(dict(one) for one in chosen))) for n in (1, 2) for chosen in combinations(examples, n)]
    for actor in ACTORS:
        if actor.kind is ActorKind.USER:
            yield from (replace(actor, **example) for example in merged)


def passes(check: Check, actor: Actor, answers: Answers) -> bool:
    """Says whether a check passes for an actor when rows and the act answer so; what is not answered is no."""

    def answer(leaf: Check) -> bool:
        decided = leaf.decide(actor)
        return answers.get(str(leaf), False) if decided is None else decided

    return verdict_of(check, answer).verdict is True


def _forced(one: Policy, only: Policy, leaf: Check, constant: bool) -> Policy:
    """Returns a policy with one of its checks replaced by a constant, when it is the policy meant."""
    if one is not only:
        return one
    return replace(one, allow=rewritten(one.allow, {leaf: ActorCheck(str(constant), lambda actor: constant)}))
