"""What may be done to a row as it stands: policies, state, and what the caller's grant or key covers, all at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, FromClause

from framework.call import Context
from framework.policy import rule_of
from framework.resource import MethodSpec, ResourceSpec

if TYPE_CHECKING:
    from framework.engine.calls import Call

FIELD = "allowed_actions"
_MAY = "may_{}_"
_STATE = "state_"


def verdict_columns(spec: ResourceSpec, context: Context, table: FromClause) -> list[ColumnElement[Any]]:
    """Returns labelled columns: for each verb of the policies whether it may be done to a row, and the row's state."""
    act = _any_act(context)
    may: list[ColumnElement[Any]] = [
        rule_of(spec, verb).for_act(act).where(act.actor, table).label(_MAY.format(i))
        for i, verb in enumerate(_verbs(spec))
    ]
    return [*may, table.c[spec.states.field].label(_STATE)] if spec.states else may


def fill(call: "Call", spec: ResourceSpec, messages: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Names in each message the RPCs that its row lets the caller do: those that would be refused are not among them.

    Neither are those that have nothing left to do, such as archiving what is archived.
    """
    act, acting = _any_act(call.context), call.engine.registry.acting_on(spec)
    able = {rpc: method for rpc, method in acting.items() if _at_all(method, act)}
    for message, row in zip(messages, rows, strict=True):
        may = {verb for i, verb in enumerate(_verbs(spec)) if row[_MAY.format(i)]}
        message.allowed_actions[:] = [
            rpc for rpc, method in able.items() if method.ruled_by in may and _in_state(spec, row, method.verb)
        ]


def _any_act(context: Context) -> Context:
    # What is asked here is no argument of what may be asked next.
    return replace(context, arguments=None, changes=None)


@cache
def _verbs(spec: ResourceSpec) -> tuple[str, ...]:
    return tuple(dict.fromkeys(verb for one in spec.policies for verb in one.verbs if one.speaks_of(verb)))


def _at_all(method: MethodSpec, act: Context) -> bool:
    rule = rule_of(method.resource, method.ruled_by).for_act(act)
    return method.covered_for(act.actor) and rule.decide(act.actor) is not False


def _in_state(spec: ResourceSpec, row: Mapping[str, Any], verb: str) -> bool:
    return spec.states is None or not spec.states.names(verb) or verb in spec.states.changing(row[_STATE])
