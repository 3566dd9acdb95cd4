"""Whether one variable takes every value that another takes: what makes a space wider than another."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from domain.module_variables import ModuleVariable
from domain.prompt_values import UNCHANGED
from domain.prompt_variables import DemoSetVariable, InstructionVariable
from domain.structured_variables import (
    ComputedVariable,
    ConditionalVariable,
    Declared,
    HybridVariable,
)
from domain.values import canonical_json
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable

_MOST_POWERS = 54
"""More powers of two than there are whole numbers of."""


def contains(one: Declared, other: Declared) -> bool:
    """Tell whether `one` takes every normalised value that `other` takes; False where that is not known.

    How likely values are, their order, defaults and words do not matter. Groups are for `domain.differing`.
    """
    check = _CHECKS.get(one.kind)
    return check is not None and one.kind == other.kind and check(one, other)


def _float(one: FloatVariable, other: FloatVariable) -> bool:
    last = other.high if other.cardinality is None else other.at(other.cardinality - 1)
    if not (one.low <= other.low and last <= one.high):
        return False
    if one.step is None:
        return True
    if other.cardinality is None:
        return False
    step, start = _exactly(one.step), _exactly(one.low)
    steps = [_exactly(other.low) - start] + ([_exactly(other.step or 0.0)] if other.cardinality > 1 else [])
    return all((each / step).denominator == 1 for each in steps)


def _integer(one: IntegerVariable, other: IntegerVariable) -> bool:
    last = other.at(other.cardinality - 1)
    if not (one.low <= other.low and last <= one.high):
        return False
    if one.power_of_two or other.power_of_two:
        values = map(other.at, range(min(other.cardinality, _MOST_POWERS)))
        fits = (lambda value: value & (value - 1) == 0) if one.power_of_two else lambda v: (v - one.low) % one.step == 0
        return other.cardinality <= _MOST_POWERS and all(map(fits, values))
    return (other.low - one.low) % one.step == 0 and (other.cardinality == 1 or other.step % one.step == 0)


def _choice(one: ChoiceVariable, other: ChoiceVariable) -> bool:
    if one.allow_custom or other.allow_custom:
        return one.allow_custom
    return set(map(canonical_json, other.choices)) <= set(map(canonical_json, one.choices))


def _module(one: ModuleVariable, other: ModuleVariable) -> bool:
    return one.interface == other.interface and _choice(one, other)


def _hybrid(one: HybridVariable, other: HybridVariable) -> bool:
    ranges = {canonical_json(each.choice): each.range for each in one.branches}
    pairs = [(ranges.get(canonical_json(each.choice)), each.range) for each in other.branches]
    return all(mine is not None and contains(mine, theirs) for mine, theirs in pairs)


def _conditional(one: ConditionalVariable, other: ConditionalVariable) -> bool:
    if one.condition != other.condition or one.branches.keys() != other.branches.keys():
        return False
    return all(contains(one.branches[field], branch) for field, branch in other.branches.items())


def _computed(one: ComputedVariable, other: ComputedVariable) -> bool:
    return one.expression == other.expression


def _instruction(one: InstructionVariable, other: InstructionVariable) -> bool:
    if not _prompt(one, other):
        return False
    kept = iter(other.frozen)  # in their order, perhaps with others between them
    return not other.mutable or (
        set(one.placeholders) <= set(other.placeholders) and all(each in kept for each in one.frozen)
    )


def _demo_set(one: DemoSetVariable, other: DemoSetVariable) -> bool:
    wider = one.max_demonstrations >= other.max_demonstrations and one.dataset_revision >= other.dataset_revision
    return _prompt(one, other) and (not other.mutable or (one.dataset_id == other.dataset_id and wider))


def _prompt(one: Any, other: Any) -> bool:
    if one.slot != other.slot:
        return False
    if not other.mutable:
        return bool(one.default == other.default or (one.mutable and other.default == UNCHANGED))
    unlimited = one.token_limit == 0 or 0 < other.token_limit <= one.token_limit
    return bool(one.mutable and unlimited)


def _exactly(number: float) -> Fraction:
    return Fraction(repr(number))


_CHECKS: Mapping[str, Callable[[Any, Any], bool]] = {
    FloatVariable.kind: _float,
    IntegerVariable.kind: _integer,
    ChoiceVariable.kind: _choice,
    BooleanVariable.kind: lambda one, other: True,
    ModuleVariable.kind: _module,
    HybridVariable.kind: _hybrid,
    ConditionalVariable.kind: _conditional,
    ComputedVariable.kind: _computed,
    InstructionVariable.kind: _instruction,
    DemoSetVariable.kind: _demo_set,
}
