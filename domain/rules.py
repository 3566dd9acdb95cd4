"""What a space's expressions say, ready to run: conditions in their order, and constraints."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from domain.constraints import Constraint
from domain.expressions import ANY, BOOLEAN, Expression, Kind, Node, parse
from domain.expressions.faults import Malformed
from domain.values import Violation
from domain.variables import Variable


@dataclass(frozen=True)
class Rules:
    """The variables with every parent before its children, their conditions by name, and the constraints."""

    order: tuple[Variable, ...]
    conditions: Mapping[str, Expression] = field(default_factory=dict)
    constraints: tuple[tuple[Constraint, Expression], ...] = ()


def read_rules(
    variables: Mapping[int, Variable],
    constraints: Mapping[int, Constraint],
    unreadable: Collection[str],
    faults: list[Violation],
) -> Rules:
    """Return the rules of variables and constraints given by their places, and add what is wrong with them to `faults`.

    Names of variables that are themselves unreadable are known, but not what they stand for.
    """
    scope: dict[str, Kind] = dict.fromkeys(unreadable, ANY)
    named = {index: each for index, each in variables.items() if isinstance(each.name, str)}
    scope |= {each.name: each.reads_as for each in named.values()}
    trees = _trees({f"variables[{index}].when": each.when for index, each in variables.items()}, faults)
    found = {each.name: f"variables[{index}].when" for index, each in named.items()}
    parents = {name: trees[path].names() & found.keys() if path in trees else set() for name, path in found.items()}
    order = _ordered(parents, found, faults)
    conditions = _compiled(trees, scope, faults)
    judged = {f"constraints[{index}].expression": each for index, each in constraints.items()}
    trees = _trees({path: each.expression for path, each in judged.items()}, faults, may_be_empty=False)
    expressions = _compiled(trees, scope, faults)
    by_name = {each.name: each for each in named.values()}
    return Rules(
        tuple(by_name[name] for name in order),
        {name: conditions[path] for name, path in found.items() if path in conditions},
        tuple((judged[path], expression) for path, expression in expressions.items()),
    )


def _trees(texts: Mapping[str, str], faults: list[Violation], *, may_be_empty: bool = True) -> dict[str, Node]:
    trees: dict[str, Node] = {}
    for path, text in texts.items():
        if not isinstance(text, str) or (may_be_empty and not text):
            continue  # what is no text is told where the texts are
        try:
            trees[path] = parse(text)
        except Malformed as malformed:
            faults.append(Violation(path, str(malformed), malformed.code))
    return trees


def _compiled(trees: Mapping[str, Node], scope: Mapping[str, Kind], faults: list[Violation]) -> dict[str, Expression]:
    compiled: dict[str, Expression] = {}
    for path, tree in trees.items():
        try:
            compiled[path] = Expression.of(tree, scope, BOOLEAN)
        except Malformed as malformed:
            faults.append(Violation(path, str(malformed), malformed.code))
    return compiled


def _ordered(parents: Mapping[str, Collection[str]], paths: Mapping[str, str], faults: list[Violation]) -> list[str]:
    """Return every name once, parents first, else as declared; names of a cycle are left out and told."""
    place = {name: index for index, name in enumerate(parents)}
    names = list(parents)
    waiting = {name: len(above) for name, above in parents.items()}
    children: dict[str, list[str]] = {name: [] for name in names}
    for name, above in parents.items():
        for each in above:
            children[each].append(name)
    ready = [place[name] for name in names if not waiting[name]]
    heapify(ready)
    order: list[str] = []
    while ready:
        order.append(name := names[heappop(ready)])
        for child in children[name]:
            waiting[child] -= 1
            if not waiting[child]:
                heappush(ready, place[child])
    faults.extend(_cycles({name: parents[name] for name in names if waiting[name]}, place, paths))
    return order


def _cycles(
    left: Mapping[str, Collection[str]], place: Mapping[str, int], paths: Mapping[str, str]
) -> Iterator[Violation]:
    """Yield each cycle once, at its first variable."""
    seen: set[str] = set()
    for start in left:
        walk: list[str] = []
        name = start
        while name not in seen:
            seen.add(name)
            walk.append(name)
            name = min((each for each in left[name] if each in left), key=place.__getitem__)
        if name in walk:
            cycle = walk[walk.index(name) :]
            first = min(cycle, key=place.__getitem__)
            shown = " -> ".join([*cycle, name])
            yield Violation(paths[first], f"makes a cycle: {shown}", "CYCLE")
