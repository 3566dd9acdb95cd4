"""What the operators do: closures over the closures of their sides."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from domain.expressions.faults import Fault
from domain.expressions.kinds import BOOLEAN, NUMBER, TEXT, Kind
from domain.values import Json

LONGEST_TEXT = 10_000
"""How long a text that an expression makes may be: joining must not explode."""

Values = Mapping[str, Json]
Run = Callable[[Values], Json]

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": math.fmod,
}
_TYPES: dict[str, type] = {NUMBER.name: float, TEXT.name: str, BOOLEAN.name: bool}


def presented(run: Run, kind: Kind) -> Run:
    """Return a reader that gives integers as doubles."""
    if kind.name == "number":
        return lambda values: float(run(values))
    if kind.name in ("text", "boolean", "object"):
        return run

    def converted(values: Values) -> Json:
        found = run(values)
        return float(found) if type(found) is int else found

    return converted


def checked(run: Run, kind: Kind) -> Run:
    """Return what runs the same and raises Fault unless it gives that kind."""
    expected = _TYPES[kind.name]

    def checking(values: Values) -> Json:
        found = run(values)
        if type(found) is not expected:
            raise Fault(f"a {kind.name} is needed where there is none")
        return found

    return checking


def junction(runs: Sequence[Run], *, decisive: bool) -> Run:
    """Return && or ||: a side that decides does so even if another has a fault."""

    def joined(values: Values) -> bool:
        fault: Fault | None = None
        for run in runs:
            try:
                if bool(run(values)) == decisive:
                    return decisive
            except Fault as found:
                fault = fault or found
        if fault is not None:
            raise fault
        return not decisive

    return joined


def comparison(sign: str, left: Run, right: Run) -> Run:
    """Return one of < <= > >=."""
    compare = COMPARISONS[sign]

    def run(values: Values) -> bool:
        return compare(left(values), right(values))

    return run


def arithmetic(sign: str, left: Run, right: Run) -> Run:
    """Return one of + - * / % on numbers; raises Fault where the result is none."""
    operate = _ARITHMETIC[sign]

    def operated(values: Values) -> float:
        try:
            return finite(operate(left(values), right(values)))
        except (ZeroDivisionError, ValueError):
            raise Fault("a division by zero") from None

    return operated


def joined(left: Run, right: Run) -> Run:
    """Return + on texts."""

    def run(values: Values) -> str:
        text: str = left(values) + right(values)
        if len(text) > LONGEST_TEXT:
            raise Fault(f"a text of more than {LONGEST_TEXT} characters")
        return text

    return run


def finite(number: float) -> float:
    """Return the number; raises Fault for NaN and infinities."""
    if number - number != 0.0:
        raise Fault("a number that no double reaches")
    return number


def equality(left: Run, right: Run, wanted: bool) -> Run:
    """Return == or !=."""
    return lambda values: _same(left(values), right(values)) is wanted


def membership(left: Run, right: Run) -> Run:
    """Return `in`: an item of a list or a key of an object."""

    def run(values: Values) -> bool:
        item, container = left(values), right(values)
        if isinstance(container, list):
            return any(_same(item, each) for each in container)
        if isinstance(container, Mapping):
            return isinstance(item, str) and item in container
        raise Fault("what is neither list nor object has no items")

    return run


def known_membership(left: Run, scalars: Sequence[Json]) -> Run:
    """Return `in` for a list of literals, at one look."""
    known = {(type(each), each) for each in scalars}  # by type as well: 1 and true are the same to Python

    def run(values: Values) -> bool:
        found = left(values)
        return not isinstance(found, list | dict) and (type(found), found) in known

    return run


def item(of: Run, key: Run) -> Run:
    """Return the item of a list at a whole index from 0, or of an object at a key."""

    def run(values: Values) -> Json:
        container, place = of(values), key(values)
        if isinstance(container, Mapping) and isinstance(place, str):
            if place not in container:
                raise Fault(f"there is nothing under {place[:60]!r}")
            return container[place]
        if isinstance(container, list) and type(place) is float:
            if not place.is_integer() or not 0 <= place < len(container):
                raise Fault(f"there is no item {place:g} of {len(container)}")
            return container[int(place)]
        raise Fault("an item is asked of what has none such")

    return run


def _same(left: Json, right: Json) -> bool:
    """Tell whether two values are the same JSON: 1, true and "1" are three."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, Mapping):
        raise Fault("objects cannot be compared")
    return bool(left == right)
