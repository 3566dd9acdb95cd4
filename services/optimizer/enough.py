"""When a run has done enough: the target is reached, or nothing better has come for long."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.objectives import Objective, is_feasible, standing

Trials = Sequence[Mapping[str, Any]]
_ENDED = ("STATUS_COMPLETED", "STATUS_FAILED", "STATUS_DROPPED")


def enough(limits: Mapping[str, Any] | None, objectives: Sequence[Objective], trials: Trials) -> str:
    """Returns why a run with these trials, by number, need not go on, as its end reason has it; empty when it must."""
    wanted, primary = limits or {}, objectives[0]
    reached = [each["objectives"] for each in trials if each["status"] == "STATUS_COMPLETED"]
    target = wanted.get("target")
    if target is not None and any(
        is_feasible(each, objectives) and not primary.better(target, each[primary.name]) for each in reached
    ):
        return "END_REASON_TARGET"
    patience = wanted.get("patience", 0)
    return "END_REASON_PATIENCE" if patience and _since_better(objectives, trials) >= patience else ""


def _since_better(objectives: Sequence[Objective], trials: Trials) -> int:
    """Returns how many trials have ended behind the best one, by number; 0 while there is none."""
    ended = [each for each in trials if each["status"] in _ENDED]
    scored = [each for each in ended if each["status"] == "STATUS_COMPLETED"]
    if not scored:
        return 0
    best = min(scored, key=lambda each: (standing(each["objectives"], objectives), each["number"]))
    return sum(each["number"] > best["number"] for each in ended)
