"""From syntax tree to something that runs: every part is checked and becomes one closure."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from domain.expressions import operations
from domain.expressions.faults import Absent, Fault, Malformed
from domain.expressions.functions import call
from domain.expressions.kinds import ANY, BOOLEAN, NUMBER, TEXT, Kind, common, kind_of, list_of, object_of
from domain.expressions.nodes import Node
from domain.values import Json, some_of

Values = Mapping[str, Json]
"""The values of active variables; the inactive ones are not there."""

Run = Callable[[Values], Json]
Scope = Mapping[str, Kind]


class Code(NamedTuple):
    """What a part gives, and how: `run` raises Fault where there is no value."""

    kind: Kind
    run: Run


def compiled(node: Node, scope: Scope) -> Code:
    """Return the code of a part; raises Malformed for unknown names and for kinds that do not go together."""
    return _MAKERS[node.kind](node, scope)


def wanted(node: Node, scope: Scope, kind: Kind) -> Run:
    """Return the code of a part that gives that kind; checked when it runs where that is not known before."""
    return _required(compiled(node, scope), node, kind)


def _required(code: Code, node: Node, kind: Kind) -> Run:
    if not code.kind.fits(kind):
        raise Malformed(node.at, f"must be a {kind.name}, not a {code.kind.name}", "WRONG_TYPE")
    return code.run if code.kind.name == kind.name else operations.checked(code.run, kind)


def _literal(node: Node, scope: Scope) -> Code:
    value = node.value
    return Code(kind_of(value), lambda values: value)


def _name(node: Node, scope: Scope) -> Code:
    name: str = node.value
    if name not in scope:
        raise Malformed(node.at, f"{name} is not a variable of this space", "UNKNOWN_NAME")

    def read(values: Values) -> Json:
        try:
            return values[name]
        except KeyError:
            raise Absent(name) from None

    return Code(scope[name], operations.presented(read, scope[name]))


def _member(node: Node, scope: Scope) -> Code:
    of = compiled(node.parts[0], scope)
    name: str = node.value
    if not of.kind.fits(object_of(None)):
        raise Malformed(node.at, f"a {of.kind.name} has no members", "WRONG_TYPE")
    if of.kind.members is not None and name not in of.kind.members:
        raise Malformed(node.at, f"has no member {name}, only {some_of(of.kind.members)}", "UNKNOWN_NAME")
    kind = ANY if of.kind.members is None else of.kind.members[name]
    whole = of.run

    def read(values: Values) -> Json:
        found = whole(values)
        if not isinstance(found, Mapping):
            raise Fault(f"what has no members is asked for {name}")
        if name not in found:
            raise Absent(name)
        return found[name]

    return Code(kind, operations.presented(read, kind))


def _index(node: Node, scope: Scope) -> Code:
    of, key = (compiled(part, scope) for part in node.parts)
    if of.kind.name not in ("list", "object", "value"):
        raise Malformed(node.at, f"a {of.kind.name} has no items", "WRONG_TYPE")
    expected = {"list": NUMBER, "object": TEXT, "value": ANY}[of.kind.name]
    if not key.kind.fits(expected):
        raise Malformed(node.parts[1].at, f"must be a {expected.name}, not a {key.kind.name}", "WRONG_TYPE")
    kind = of.kind.item or ANY
    return Code(kind, operations.presented(operations.item(of.run, key.run), kind))


def _list(node: Node, scope: Scope) -> Code:
    codes = [compiled(part, scope) for part in node.parts]
    runs = [code.run for code in codes]
    return Code(list_of(common([code.kind for code in codes])), lambda values: [run(values) for run in runs])


def _object(node: Node, scope: Scope) -> Code:
    codes = [compiled(part, scope) for part in node.parts]
    pairs = [(key, code.run) for key, code in zip(node.value, codes, strict=True)]
    item = common([code.kind for code in codes])
    return Code(Kind("object", item=item), lambda values: {key: run(values) for key, run in pairs})


def _call(node: Node, scope: Scope) -> Code:
    kind, run = call(node, [compiled(part, scope) for part in node.parts])
    return Code(kind, run)


def _ternary(node: Node, scope: Scope) -> Code:
    condition = wanted(node.parts[0], scope, BOOLEAN)
    then, otherwise = (compiled(part, scope) for part in node.parts[1:])
    if not then.kind.fits(otherwise.kind):
        raise Malformed(node.at, f"gives a {then.kind.name} or a {otherwise.kind.name}: one of them", "WRONG_TYPE")
    yes, no = then.run, otherwise.run
    return Code(common((then.kind, otherwise.kind)), lambda values: yes(values) if condition(values) else no(values))


def _not(node: Node, scope: Scope) -> Code:
    inner = wanted(node.parts[0], scope, BOOLEAN)
    return Code(BOOLEAN, lambda values: not inner(values))


def _negative(node: Node, scope: Scope) -> Code:
    inner = wanted(node.parts[0], scope, NUMBER)
    return Code(NUMBER, lambda values: -inner(values))


def _junction(node: Node, scope: Scope) -> Code:
    runs = [wanted(part, scope, BOOLEAN) for part in node.parts]
    return Code(BOOLEAN, operations.junction(runs, decisive=node.kind == "||"))


def _operation(node: Node, scope: Scope) -> Code:
    if node.value == "in":
        return Code(BOOLEAN, _membership(node, scope))
    left, right = (compiled(part, scope) for part in node.parts)
    if node.value in ("==", "!="):
        scalar = "object" not in (left.kind.name, right.kind.name)
        _refuse_unless(scalar and left.kind.fits(right.kind), node, left.kind, right.kind)
        return Code(BOOLEAN, operations.equality(left.run, right.run, node.value == "=="))
    # What is not known yet is what the other side is; where neither is known, numbers.
    kind = TEXT if TEXT in (left.kind, right.kind) and node.value in ("+", "<", "<=", ">", ">=") else NUMBER
    _refuse_unless(left.kind.fits(kind) and right.kind.fits(kind), node, left.kind, right.kind)
    sides = [_required(code, part, kind) for code, part in zip((left, right), node.parts, strict=True)]
    if node.value in operations.COMPARISONS:
        return Code(BOOLEAN, operations.comparison(node.value, *sides))
    return Code(kind, operations.joined(*sides) if kind is TEXT else operations.arithmetic(node.value, *sides))


def _membership(node: Node, scope: Scope) -> Run:
    left, right = (compiled(part, scope) for part in node.parts)
    item = TEXT if right.kind.name == "object" else right.kind.item or ANY
    _refuse_unless(right.kind.name in ("list", "object", "value") and left.kind.fits(item), node, left.kind, right.kind)
    literals = node.parts[1]
    if literals.kind == "list" and all(part.kind == "literal" for part in literals.parts):
        return operations.known_membership(left.run, [part.value for part in literals.parts])
    return operations.membership(left.run, right.run)


def _refuse_unless(sound: bool, node: Node, left: Kind, right: Kind) -> None:
    if not sound:
        raise Malformed(node.at, f"{node.value} is not for a {left.name} and a {right.name}", "WRONG_TYPE")


_MAKERS: dict[str, Callable[[Node, Scope], Code]] = {
    "literal": _literal,
    "name": _name,
    "member": _member,
    "index": _index,
    "list": _list,
    "object": _object,
    "call": _call,
    "?": _ternary,
    "!": _not,
    "negative": _negative,
    "&&": _junction,
    "||": _junction,
    "operation": _operation,
}
