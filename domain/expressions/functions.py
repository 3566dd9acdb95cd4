"""The functions that expressions may call."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from domain.expressions import operations
from domain.expressions.faults import Absent, Fault, Malformed
from domain.expressions.kinds import BOOLEAN, NUMBER, Kind
from domain.expressions.nodes import PRESENCE, Node
from domain.expressions.operations import Run, Values

if TYPE_CHECKING:
    from domain.expressions.compiling import Code

_OF_NUMBERS: dict[str, tuple[int, Callable[..., float]]] = {
    "log": (1, math.log),
    "exp": (1, math.exp),
    "pow": (2, math.pow),
    "abs": (1, abs),
}
_OF_MANY: dict[str, Callable[[Sequence[float]], float]] = {"min": min, "max": max, "sum": math.fsum}
FUNCTIONS = (*_OF_NUMBERS, *_OF_MANY, "size", *PRESENCE)


def call(node: Node, arguments: "Sequence[Code]") -> tuple[Kind, Run]:
    """Return the kind and the closure of a call; raises Malformed for unknown functions and wrong arguments."""
    name: str = node.value
    if name in _OF_NUMBERS:
        return NUMBER, _of_numbers(node, arguments)
    if name in _OF_MANY:
        return NUMBER, _of_many(node, arguments)
    if name == "size":
        return NUMBER, _size(node, arguments)
    if name in PRESENCE:
        return _presence(node, arguments)
    raise Malformed(node.at, f"{name} is not a function; there are {', '.join(FUNCTIONS)}", "UNKNOWN_NAME")


def _of_numbers(node: Node, arguments: "Sequence[Code]") -> Run:
    count, function = _OF_NUMBERS[node.value]
    if len(arguments) != count:
        raise Malformed(node.at, f"{node.value} takes {count} number{'s' * (count > 1)}, not {len(arguments)}")
    runs = [_numeric(argument, node) for argument in arguments]

    def run(values: Values) -> float:
        try:
            return operations.finite(float(function(*[each(values) for each in runs])))
        except (ValueError, OverflowError):
            raise Fault(f"{node.value} has no value there") from None

    return run


def _of_many(node: Node, arguments: "Sequence[Code]") -> Run:
    function = _OF_MANY[node.value]
    if not arguments:
        raise Malformed(node.at, f"{node.value} takes one number at least, or a list of them")
    if len(arguments) == 1 and arguments[0].kind.name in ("list", "value"):
        numbers = _listed(arguments[0].run)
    else:
        runs = [_numeric(argument, node) for argument in arguments]

        def numbers(values: Values) -> list[float]:
            return [each(values) for each in runs]

    def run(values: Values) -> float:
        try:
            return operations.finite(function(numbers(values)))
        except (ValueError, OverflowError):
            raise Fault(f"{node.value} has no value there") from None

    return run


def _listed(run: Run) -> Callable[[Values], list[float]]:
    def numbers(values: Values) -> list[float]:
        found = run(values)
        items = found if isinstance(found, list) else [found]
        if not items or any(type(each) is not float for each in items):
            raise Fault("a list of numbers is needed where there is none")
        return items

    return numbers


def _numeric(argument: "Code", node: Node) -> Run:
    if not argument.kind.fits(NUMBER):
        raise Malformed(node.at, f"{node.value} takes numbers, not a {argument.kind.name}", "WRONG_TYPE")
    return argument.run if argument.kind is NUMBER else operations.checked(argument.run, NUMBER)


def _size(node: Node, arguments: "Sequence[Code]") -> Run:
    if len(arguments) != 1 or arguments[0].kind.name not in ("text", "list", "object", "value"):
        raise Malformed(node.at, "size takes one text, list or object", "WRONG_TYPE")
    inner = arguments[0].run

    def run(values: Values) -> float:
        found = inner(values)
        if not isinstance(found, str | list | Mapping):
            raise Fault("size of what has none")
        return float(len(found))

    return run


def _presence(node: Node, arguments: "Sequence[Code]") -> tuple[Kind, Run]:
    """Return `has(name)` or `count_active(name, ...)`."""
    if not arguments or (node.value == "has" and len(arguments) != 1):
        raise Malformed(node.at, f"{node.value} takes the name of a variable")
    for part in node.parts:
        if not _is_path(part):
            raise Malformed(part.at, f"{node.value} takes the name of a variable", "WRONG_TYPE")
    runs = [_is_active(argument.run) for argument in arguments]
    if node.value == "has":
        return BOOLEAN, runs[0]
    return NUMBER, lambda values: float(sum(run(values) for run in runs))


def _is_path(node: Node) -> bool:
    return node.kind == "name" or (node.kind == "member" and _is_path(node.parts[0]))


def _is_active(run: Run) -> Run:
    def active(values: Values) -> bool:
        try:
            run(values)
        except Absent:
            return False
        return True

    return active
