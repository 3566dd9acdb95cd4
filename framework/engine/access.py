"""What the caller may do to many rows, and which of their fields are kept, in one query."""

from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from framework.call import Role
from framework.engine.calls import Call
from framework.engine.messages import refuse_if
from framework.engine.reading import scope
from framework.engine.withholding import verdicts, withheld
from framework.errors import FieldViolation
from framework.policy import Check, guard_of, has_role, is_service, rule_of, signed_in
from framework.resource import MethodSpec, ResourceSpec
from framework.storage import table_of
from framework.storage.tables import compiled

RULES: dict[str, Check] = {"TestPermissions": signed_in | is_service, "ExplainAccess": has_role(Role.ADMIN)}
"""Who may ask."""


async def test_permissions(call: Call, method: MethodSpec, request: Any) -> Any:
    """Says which of the actions the caller may do to each of the rows, in one query; hidden and missing alike: none.

    What depends on the request, or on what an update changes, counts where some request would pass.
    """
    spec = method.resource
    response: Any = method.response_class()
    actions = actions_named(call, spec, list(request.actions))
    if not request.ids:
        may = [n for n, verb in actions.items() if rule_of(spec, verb).passing().decide(call.actor) is not False]
        kept = sorted(guard_of(spec, call.actor).hidden)
        response.permissions.add(actions=_granted(call, spec, may), forbidden_fields=kept)
        return response
    sql, params = _statement(call, spec, list(actions.values()), [UUID(i) for i in request.ids])
    rows = {row["id"]: row for row in await call.reads().fetch(sql, params)}
    for identifier in request.ids:
        row = rows.get(UUID(identifier), {})
        may = [name for i, name in enumerate(actions) if row.get(f"may_{i}")]
        kept = sorted(withheld(guard_of(spec, call.actor), row)) if row else []
        response.permissions.add(id=identifier, actions=_granted(call, spec, may), forbidden_fields=kept)
    return response


def _statement(call: Call, spec: ResourceSpec, verbs: list[str], ids: list[UUID]) -> tuple[str, dict[str, Any]]:
    table, guard = table_of(spec), guard_of(spec, call.actor)
    may = [rule_of(spec, v).passing().where(call.actor, table).label(f"may_{i}") for i, v in enumerate(verbs)]
    seen = and_(scope(spec, call.context, "Get"), table.c.id.in_(ids))
    return compiled(select(table.c.id, *may, *verdicts(guard, call.actor, table)).where(seen))


def actions_named(call: Call, spec: ResourceSpec, asked: list[str]) -> dict[str, str]:
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
