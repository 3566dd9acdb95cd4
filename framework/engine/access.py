"""Questions about permissions: what the caller may do to many rows, and why somebody may or may not do something."""

from typing import Any
from uuid import UUID

from ashgrove.access.v1 import access_pb2 as pb
from sqlalchemy import and_, select

from framework.call import Actor, ActorKind, Role
from framework.engine.calls import Call
from framework.engine.messages import refuse_if
from framework.engine.reading import identifier_of, scope
from framework.errors import FieldViolation, InvalidFields, NotFound
from framework.policy import Check, has_role, is_service, rule_for, signed_in
from framework.policy.checks import Verdict, leaves_of
from framework.policy.explaining import CheckVerdict, Explanation, explained, verdict_of
from framework.resource import MethodSpec, ResourceSpec
from framework.storage import table_of
from framework.storage.tables import compiled

RULES: dict[str, Check] = {"TestPermissions": signed_in | is_service, "ExplainAccess": has_role(Role.ADMIN)}
"""Who may ask."""
_ROLES = {pb.Subject.ROLE_ADMIN: Role.ADMIN, pb.Subject.ROLE_USER: Role.USER, pb.Subject.ROLE_VIEWER: Role.VIEWER}
_VERDICTS = {True: pb.VERDICT_PASSES, False: pb.VERDICT_FAILS, None: pb.VERDICT_DEPENDS}


async def test_permissions(call: Call, method: MethodSpec, request: Any) -> Any:
    """Says which of the actions the caller may do to each of the rows, in one query; hidden and missing alike: none."""
    spec = method.resource
    response: Any = method.response_class()
    actions = _named(call, spec, list(request.actions))
    if not request.ids:
        may = [n for n, verb in actions.items() if rule_for(spec.policies, verb).decide(call.actor) is not False]
        response.permissions.add(actions=_granted(call, spec, may))
        return response
    sql, params = _statement(call, spec, list(actions.values()), [UUID(i) for i in request.ids])
    rows = {row["id"]: row for row in await call.reads().fetch(sql, params)}
    for identifier in request.ids:
        row = rows.get(UUID(identifier), {})
        may = [name for i, name in enumerate(actions) if row.get(f"may_{i}")]
        response.permissions.add(id=identifier, actions=_granted(call, spec, may))
    return response


def _statement(call: Call, spec: ResourceSpec, verbs: list[str], ids: list[UUID]) -> tuple[str, dict[str, Any]]:
    table = table_of(spec)
    may = [rule_for(spec.policies, v).where(call.actor, table).label(f"may_{i}") for i, v in enumerate(verbs)]
    seen = and_(scope(spec, call.context, "Get"), table.c.id.in_(ids))
    return compiled(select(table.c.id, *may).where(seen))


def _named(call: Call, spec: ResourceSpec, asked: list[str]) -> dict[str, str]:
    """Returns the actions that are asked for with their verbs; RPCs and verbs are names alike."""
    rpcs = call.engine.registry.actions(spec)
    known = {verb: verb for verb in rpcs.values()} | rpcs
    told = ", ".join(rpcs)
    refuse_if(
        FieldViolation(f"actions[{i}]", f"{name[:80]} is no action on {spec.singular}; there are {told}")
        for i, name in enumerate(asked)
        if name not in known
    )
    return {name: known[name] for name in asked} if asked else rpcs


def _granted(call: Call, spec: ResourceSpec, names: list[str]) -> list[str]:
    """Leaves out what the caller's grant or key does not cover, whatever the policies say."""
    own = [m for m in call.engine.registry.methods.values() if m.resource is spec and m.covered_for(call.actor)]
    covered = {word for method in own for word in (method.name, method.verb)}
    return [name for name in names if name in covered]


async def explain_access(call: Call, method: MethodSpec, request: Any) -> Any:
    """Says what a call would meet and every policy's part in it, as the caller or as another user."""
    spec = method.resource
    try:
        (verb,) = _named(call, spec, [request.action]).values()
    except InvalidFields as refused:
        raise InvalidFields(*(FieldViolation("action", v.message) for v in refused.violations)) from None
    subject = _subject(call, request)
    answers = await _answers(call, spec, subject, request.id) if request.id else {}

    def answer(check: Check) -> Verdict:
        decided = check.decide(subject)
        return answers.get(id(check)) if decided is None else decided

    found = explained(spec.policies, verb, answer)
    seen = verdict_of(rule_for(spec.policies, "Get"), answer).verdict
    response: Any = method.response_class()
    response.outcome, response.reason = _outcome(verb, found, seen)
    for one in found.policies:
        told = response.policies.add(
            policy=str(one.policy), applies=one.applies, bypass=one.policy.bypasses, decisive=one.decisive
        )
        told.verdict = _VERDICTS[one.check.verdict]
        _tell(told.check, one.check)
    return response


def _subject(call: Call, request: Any) -> Actor:
    if not request.HasField("subject"):
        return call.actor
    role = _ROLES.get(request.subject.role)
    return Actor(ActorKind.USER, request.subject.user_id, call.context.organization_id, role)


async def _answers(call: Call, spec: ResourceSpec, subject: Actor, identifier: str) -> dict[int, bool]:
    """Returns what the row answers to every check that takes one; the caller must be able to see it."""
    table = table_of(spec)
    open_ = [leaf for one in spec.policies for leaf in leaves_of(one.allow) if leaf.decide(subject) is None]
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
        return outcomes.OUTCOME_DEPENDS, "it depends on the row"
    return outcomes.OUTCOME_ALLOWED, found.reason


def _tell(told: Any, found: CheckVerdict) -> None:
    told.check, told.verdict = str(found.check), _VERDICTS[found.verdict]
    for part in found.parts:
        _tell(told.parts.add(), part)
