"""What an expression may come to, whatever values its variables take: bounds that are never too narrow.

A number lies in a Span, anything else is one of finitely many scalars, as canonical JSON; None where nothing is known.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from domain.expressions import Node
from domain.values import Json, canonical_json, is_number


class Span(NamedTuple):
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float


Bound: TypeAlias = Span | frozenset[bytes] | None
Box: TypeAlias = Mapping[str, Bound]
"""What each variable may be."""

TRUE, FALSE = b"true", b"false"
_EITHER = frozenset((TRUE, FALSE))


def bound_of(scalars: Iterable[Json]) -> Bound:
    """Return the bound of scalars that are listed: a span where all are numbers."""
    listed = list(scalars)
    if listed and all(map(is_number, listed)):
        return Span(float(min(listed)), float(max(listed)))
    return frozenset(map(canonical_json, listed))


def bound(node: Node, box: Box) -> Bound:
    """Return what an expression may come to where it has a value."""
    make = _MAKERS.get(node.kind)
    return None if make is None else make(node, box)


def never_holds(node: Node, box: Box) -> bool:
    """Tell whether it is proven that a condition is not met, whatever the values."""
    found = bound(node, box)
    return isinstance(found, frozenset) and TRUE not in found


def joined(bounds: Iterable[Bound]) -> Bound:
    """Return the bound of what is within one of several."""
    listed = list(bounds)
    spans = [each for each in listed if isinstance(each, Span)]
    sets = [each for each in listed if isinstance(each, frozenset)]
    if len(spans) == len(listed) and spans:
        return Span(min(each.low for each in spans), max(each.high for each in spans))
    return frozenset().union(*sets) if len(sets) == len(listed) else None


def _literal(node: Node, box: Box) -> Bound:
    return bound_of([node.value])


def _index(node: Node, box: Box) -> Bound:
    table, key = node.parts
    if table.kind != "object":
        return None
    keys = bound(key, box)
    pairs = zip(table.value, table.parts, strict=True)
    return joined(
        bound(part, box) for name, part in pairs if not isinstance(keys, frozenset) or canonical_json(name) in keys
    )


def _ternary(node: Node, box: Box) -> Bound:
    condition, then, otherwise = node.parts
    asked = _truth(condition, box)
    return joined(bound(part, box) for part, word in ((then, TRUE), (otherwise, FALSE)) if word in asked)


def _not(node: Node, box: Box) -> Bound:
    return frozenset({TRUE: FALSE, FALSE: TRUE}.get(each, each) for each in _truth(node.parts[0], box))


def _negative(node: Node, box: Box) -> Bound:
    inner = bound(node.parts[0], box)
    return Span(-inner.high, -inner.low) if isinstance(inner, Span) else None


def _junction(node: Node, box: Box) -> Bound:
    truths = [_truth(each, box) for each in node.parts]
    one, every = (FALSE, TRUE) if node.kind == "&&" else (TRUE, FALSE)
    # A part without a value is overlooked where another decides: so one that may decide is enough.
    found = frozenset((one,)) if any(one in each for each in truths) else frozenset()
    return found | ({every} if all(every in each for each in truths) else frozenset())


def _truth(node: Node, box: Box) -> frozenset[bytes]:
    found = bound(node, box)
    return found if isinstance(found, frozenset) else _EITHER


def _operation(node: Node, box: Box) -> Bound:
    if node.value == "in":
        return _membership(node, box)
    left, right = (bound(each, box) for each in node.parts)
    if node.value in ("==", "!="):
        return _equality(left, right, node.value == "==")
    if not (isinstance(left, Span) and isinstance(right, Span)):
        return _EITHER if node.value in ("<", "<=", ">", ">=") else None
    return _OPERATIONS[node.value](left, right) if node.value in _OPERATIONS else None


def _equality(left: Bound, right: Bound, wanted: bool) -> Bound:
    if isinstance(left, Span) and isinstance(right, Span):
        may, must = left.low <= right.high and right.low <= left.high, left.low == left.high == right.low == right.high
    elif isinstance(left, frozenset) and isinstance(right, frozenset):
        may, must = bool(left & right), left == right and len(left) == 1
    else:
        return _EITHER
    return frozenset(({TRUE if wanted else FALSE} if may else set()) | (set() if must else {FALSE if wanted else TRUE}))


def _membership(node: Node, box: Box) -> Bound:
    item, items = node.parts
    if items.kind != "list":
        return _EITHER
    return _any(_equality(bound(item, box), bound(each, box), True) for each in items.parts)


def _any(bounds: Iterable[Bound]) -> frozenset[bytes]:
    listed = [each if isinstance(each, frozenset) else _EITHER for each in bounds]
    found = {TRUE} if any(TRUE in each for each in listed) else set()
    return frozenset(found | ({FALSE} if all(FALSE in each for each in listed) else set()))


def _call(node: Node, box: Box) -> Bound:
    spans = [each for part in node.parts if isinstance(each := bound(part, box), Span)]
    if node.value not in _FUNCTIONS or not spans or len(spans) != len(node.parts):
        return None
    return _FUNCTIONS[node.value](spans)


def _wider(low: float, high: float) -> Bound:
    """Return a span with room for the last digit, in which libraries differ; None beyond what doubles hold."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Span(math.nextafter(low, -math.inf), math.nextafter(high, math.inf))


def _products(left: Span, right: Span) -> Bound:
    corners = [one * other for one in left for other in right]
    return _wider(min(corners), max(corners))


def _quotients(left: Span, right: Span) -> Bound:
    if right.low <= 0 <= right.high:
        return None
    return _wider(min(a / b for a in left for b in right), max(a / b for a in left for b in right))


def _less(left: Span, right: Span) -> Bound:
    return frozenset(({TRUE} if left.low < right.high else set()) | ({FALSE} if left.high >= right.low else set()))


def _at_most(left: Span, right: Span) -> Bound:
    return frozenset(({TRUE} if left.low <= right.high else set()) | ({FALSE} if left.high > right.low else set()))


def _log(span: Span) -> Bound:
    return None if span.low <= 0 else _wider(math.log(span.low), math.log(span.high))


def _exp(span: Span) -> Bound:
    return None if span.high > 700 else _wider(math.exp(span.low), math.exp(span.high))


def _sum(spans: list[Span]) -> Bound:
    try:
        return _wider(math.fsum(each.low for each in spans), math.fsum(each.high for each in spans))
    except OverflowError:  # beyond what doubles hold
        return None


def _abs(span: Span) -> Bound:
    ends = [abs(each) for each in span]
    return Span(0.0 if span.low <= 0 <= span.high else min(ends), max(ends))


_OPERATIONS: dict[str, Callable[[Span, Span], Bound]] = {
    "+": lambda a, b: _wider(a.low + b.low, a.high + b.high),
    "-": lambda a, b: _wider(a.low - b.high, a.high - b.low),
    "*": _products,
    "/": _quotients,
    "<": _less,
    "<=": _at_most,
    ">": lambda a, b: _less(b, a),
    ">=": lambda a, b: _at_most(b, a),
}
_FUNCTIONS: dict[str, Callable[[list[Span]], Bound]] = {
    "min": lambda spans: Span(min(each.low for each in spans), min(each.high for each in spans)),
    "max": lambda spans: Span(max(each.low for each in spans), max(each.high for each in spans)),
    "sum": _sum,
    "abs": lambda spans: _abs(spans[0]),
    "log": lambda spans: _log(spans[0]),
    "exp": lambda spans: _exp(spans[0]),
}
_MAKERS: dict[str, Callable[[Node, Box], Bound]] = {
    "literal": _literal,
    "name": lambda node, box: box.get(node.value),
    "index": _index,
    "call": _call,
    "?": _ternary,
    "!": _not,
    "negative": _negative,
    "&&": _junction,
    "||": _junction,
    "operation": _operation,
}
