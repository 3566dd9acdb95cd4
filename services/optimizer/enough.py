"""When a run has done enough: the target is reached, or nothing better has come for long."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.objectives import Objective, Scored, best, is_feasible


def may_be_enough(limits: Mapping[str, Any] | None) -> bool:
    """Tells whether these limits end a run by what it has reached."""
    return "target" in (limits or {}) or bool((limits or {}).get("patience"))


def enough(
    limits: Mapping[str, Any] | None, objectives: Sequence[Objective], ended: Sequence[Scored], inherited: int = 0
) -> str:
    """Returns why a run with these ended trials need not go on, as its end reason has it; empty when it must.

    A trial that did not reach its end by itself, failed or dropped, has no objectives. The first
    ones may be inherited: patience counts what the run has tried itself.
    """
    wanted, primary = limits or {}, objectives[0]
    found, target = best(ended, objectives), wanted.get("target")
    if found is None or found.objectives is None:
        return ""
    feasible = is_feasible(found.objectives, objectives)
    if target is not None and feasible and not primary.better(target, found.objectives[primary.name]):
        return "END_REASON_TARGET"
    patience = wanted.get("patience", 0)
    since = sum(each.number > max(found.number, inherited) for each in ended)
    return "END_REASON_PATIENCE" if 0 < patience <= since else ""
