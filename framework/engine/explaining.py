"""Why somebody may or may not do something, told policy by policy and check by check, and of every guarded field."""

from collections.abc import Iterable
from typing import Any

from ashgrove.access.v1 import access_pb2 as pb
from sqlalchemy import and_, select

from framework.call import Actor, ActorKind, Role
from framework.engine.access import actions_named
from framework.engine.calls import Call
from framework.engine.reading import identifier_of, scope
from framework.errors import InvalidFields, NotFound
from framework.policy import Check, rule_for
from framework.policy.act_checks import ActCheck
from framework.policy.checks import Verdict, leaves_of
from framework.policy.explaining import Answer, CheckVerdict, Explanation, PolicyVerdict, explained, verdict_of
from framework.policy.field_policies import READING, WRITING, as_policies, field_rules
from framework.resource import MethodSpec, ResourceSpec
from framework.storage import table_of
from framework.storage.tables import compiled

_ROLES = {pb.Subject.ROLE_ADMIN: Role.ADMIN, pb.Subject.ROLE_USER: Role.USER, pb.Subject.ROLE_VIEWER: Role.VIEWER}
_VERDICTS = {True: pb.VERDICT_PASSES, False: pb.VERDICT_FAILS, None: pb.VERDICT_DEPENDS}


async def explain_access(call: Call, method: MethodSpec, request: Any) -> Any:
    """Says what a call would meet and every policy's part in it, as the caller or as another user."""
    spec = method.resource
    try:
        (verb,) = actions_named(call, spec, [request.action]).values()
    except InvalidFields as refused:
        raise refused.moved(lambda path: "action") from None
    subject = _subject(call, request)
    answers = await _answers(call, spec, subject, request.id) if request.id else {}

    def answer(check: Check) -> Verdict:
        decided = check.decide(subject)
        return answers.get(id(check)) if decided is None else decided

    found = explained(spec.policies, verb, answer)
    seen = verdict_of(rule_for(spec.policies, "Get"), answer).verdict
    response: Any = method.response_class()
    response.outcome, response.reason = _outcome(verb, found, seen)
    _tell_policies(response.policies, found.policies)
    for name in field_rules(spec).reads:
        _tell_field(response.fields.add(field=name), spec, answer)
    return response


def _subject(call: Call, request: Any) -> Actor:
    if not request.HasField("subject"):
        return call.actor
    role = _ROLES.get(request.subject.role)
    return Actor(ActorKind.USER, request.subject.user_id, call.context.organization_id, role)


async def _answers(call: Call, spec: ResourceSpec, subject: Actor, identifier: str) -> dict[int, bool]:
    """Returns what the row answers to every check that takes one; the caller must be able to see it."""
    table = table_of(spec)
    rules = [*spec.policies, *as_policies(spec.field_policies)]
    leaves = [leaf for one in rules for leaf in leaves_of(one.allow) if leaf.decide(subject) is None]
    open_ = [leaf for leaf in leaves if not isinstance(leaf, ActCheck)]  # no act is asked about, so those stay open
    asked = [leaf.where(subject, table).label(f"says_{i}") for i, leaf in enumerate(open_)]
    seen = and_(scope(spec, call.context, "Get"), table.c.id == identifier_of(spec, identifier))
    row = await call.reads().fetch_one(*compiled(select(table.c.id, *asked).where(seen)))
    if row is None:
        raise NotFound(spec.singular, identifier)
    return {id(leaf): bool(row[f"says_{i}"]) for i, leaf in enumerate(open_)}


def _outcome(verb: str, found: Explanation, seen: Verdict) -> tuple[Any, str]:
    outcomes = pb.ExplainAccessResponse
    if verb not in ("Create", "List") and seen is False:
        return outcomes.OUTCOME_HIDDEN, found.reason if verb == "Get" else "it may not even be seen: see Get"
    if found.verdict is False:
        return outcomes.OUTCOME_HIDDEN if verb == "List" else outcomes.OUTCOME_REFUSED, found.reason
    if found.verdict is None or (seen is None and verb not in ("Create", "List")):
        return outcomes.OUTCOME_DEPENDS, found.reason if found.verdict is None else "it depends on the row"
    return outcomes.OUTCOME_ALLOWED, found.reason


def _tell_policies(told: Any, found: Iterable[PolicyVerdict]) -> None:
    for one in found:
        policy = told.add(
            policy=str(one.policy),
            applies=one.applies,
            bypass=one.policy.bypasses,
            forbid=one.policy.forbids,
            decisive=one.decisive,
            verdict=_VERDICTS[one.check.verdict],
        )
        _tell_check(policy.check, one.check)


def _tell_field(told: Any, spec: ResourceSpec, answer: Answer) -> None:
    rules = as_policies(spec.field_policies)
    reads, writes = (explained(rules, act.format(told.field), answer) for act in (READING, WRITING))
    told.read, told.read_reason = _VERDICTS[reads.verdict], reads.reason
    told.write, told.write_reason = _VERDICTS[writes.verdict], writes.reason
    parts = zip(reads.policies, writes.policies, strict=True)
    _tell_policies(told.policies, [r if r.applies else w for r, w in parts if r.applies or w.applies])


def _tell_check(told: Any, found: CheckVerdict) -> None:
    told.check, told.verdict = str(found.check), _VERDICTS[found.verdict]
    for part in found.parts:
        _tell_check(told.parts.add(), part)
