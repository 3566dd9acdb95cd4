"""Whether a space has a configuration at all: proven empty, satisfiable, or not known."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from domain.bounds import Bound, Span, bound, bound_of, never_holds
from domain.enumeration import every_configuration
from domain.expressions import Node, parse
from domain.module_variables import implied_constraints
from domain.sampling import CANDIDATES, tried
from domain.space import Space
from domain.structured_variables import Declared
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable

ROUNDS = 20
"""How often constraints narrow the ranges of the variables before it is given up."""


@dataclass(frozen=True)
class Satisfiability:
    """What is known: the share of candidates that are valid, and how many candidates break each constraint.

    `reason` is what leaves nothing, where that is proven.
    """

    verdict: Literal["proven_empty", "satisfiable", "unknown"]
    candidates: int = 0
    accepted: int = 0
    broken: tuple[tuple[str, int], ...] = ()
    reason: str = ""


def satisfiability(space: Space, candidates: int = CANDIDATES) -> Satisfiability:
    """Return whether a space has a configuration, by proof where there is one, else by so many draws."""
    if reason := emptiness(space):
        return Satisfiability("proven_empty", reason=reason)
    found = tried(space, candidates if space.rules.may_break else 1)
    accepted = sum(not broken for broken in found)
    counts = Counter(name for broken in found for name in broken)
    verdict: Literal["satisfiable", "unknown"] = "satisfiable" if accepted else "unknown"
    return Satisfiability(verdict, len(found), accepted, tuple(counts.most_common()))


def emptiness(space: Space) -> str:
    """Return why it is proven that no configuration is valid; empty where that is not known.

    Small spaces are tried in full; of the others the ranges that the constraints leave are narrowed in turns.
    """
    if not space.rules.may_break:
        return ""
    every = every_configuration(space)
    if every is not None:
        return "" if every else f"none of {space.size().decimal()} combinations is valid"
    name = _impossible(space)
    return f"{name} can never hold" if name else ""


def _impossible(space: Space) -> str:
    """Return a constraint that no values satisfy together with the others; empty where none is found."""
    always = {each.name for each in space.variables if _is_always_active(each, space)}
    written = [*space.constraints, *implied_constraints(space.variables)]
    conjuncts = [(each.id, part) for each in written for part in _conjuncts(parse(each.expression))]
    # One that names what may be inactive may hold by itself.
    judged = [(name, node) for name, node in conjuncts if node.names() <= always and not node.asks_for_presence()]
    box: dict[str, Bound] = {each.name: _bound(each) for each in space.variables if each.name in always}
    for _ in range(ROUNDS):
        before = dict(box)
        for name, node in judged:
            if never_holds(node, box) or not _narrow(node, box):
                return name
        if box == before:
            break
    return ""


def _is_always_active(variable: Declared, space: Space) -> bool:
    """Tell whether a variable is active in every configuration: no condition decides, and no program's slots."""
    scalars = FloatVariable | IntegerVariable | ChoiceVariable | BooleanVariable
    return isinstance(variable, scalars) and not variable.when and space.rules.slots is None


def _conjuncts(node: Node) -> Iterator[Node]:
    if node.kind == "&&":
        for part in node.parts:
            yield from _conjuncts(part)
    else:
        yield node


def _bound(variable: Declared) -> Bound:
    if isinstance(variable, FloatVariable | IntegerVariable):
        return Span(float(variable.low), float(variable.high))
    if isinstance(variable, BooleanVariable):
        return bound_of([False, True])
    if isinstance(variable, ChoiceVariable) and not variable.allow_custom:
        return bound_of(variable.choices)
    return None


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "=="}


def _narrow(node: Node, box: dict[str, Bound]) -> bool:
    """Cut off what a comparison leaves a bare variable; returns whether anything is left."""
    if node.kind != "operation" or node.value not in _MIRRORED:
        return True
    left, right = node.parts
    return _cut(left, node.value, right, box) and _cut(right, _MIRRORED[node.value], left, box)


def _cut(name: Node, sign: str, other: Node, box: dict[str, Bound]) -> bool:
    mine = box.get(name.value) if name.kind == "name" else None
    theirs = bound(other, box)
    if not isinstance(mine, Span) or not isinstance(theirs, Span):
        return True
    low = max(mine.low, theirs.low) if sign in (">", ">=", "==") else mine.low
    high = min(mine.high, theirs.high) if sign in ("<", "<=", "==") else mine.high
    box[name.value] = Span(low, high)
    return low <= high
