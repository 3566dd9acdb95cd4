"""The order of things that depend on each other."""

from collections.abc import Collection, Iterator, Mapping
from heapq import heapify, heappop, heappush

from domain.values import Violation


def ordered(parents: Mapping[str, Collection[str]], paths: Mapping[str, str], faults: list[Violation]) -> list[str]:
    """Return every name once, parents before children, else in the order given.

    Names that are part of a cycle, or come after one, are left out; each cycle is told once, at the path of its first
    name.
    """
    names = list(parents)
    place = {name: index for index, name in enumerate(names)}
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
            yield Violation(paths[first], f"makes a cycle: {' -> '.join([*cycle, name])}", "CYCLE")
