"""What differs between two spaces, and whether what holds of one space's configurations holds of the other's."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from domain.containing import contains
from domain.space import Space
from domain.structured_variables import Declared, GroupVariable
from domain.values import Json, is_same


class Verdict(Enum):
    """How the configurations of the new one compare with those of the old one."""

    SAME = "same"
    """Each of either is one of the other."""
    WIDER = "wider"
    """Each of the old is one of the new."""
    NARROWER = "narrower"
    """Each of the new is one of the old."""
    INCOMPATIBLE = "incompatible"
    """Neither is known: other names, other kinds, or domains that only overlap."""


@dataclass(frozen=True)
class Change:
    """What changed of a variable or a constraint that both have: fields, such as `float.high`, and what it means."""

    name: str
    fields: tuple[str, ...]
    verdict: Verdict


@dataclass(frozen=True)
class Changes:
    """What changed of one list of named things."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    reordered: bool = False
    """Whether what both have stands in another order."""


@dataclass(frozen=True)
class Difference:
    """What changed from one space to another, and the verdict on all of it."""

    variables: Changes
    constraints: Changes
    verdict: Verdict


def difference(old: Space, new: Space) -> Difference:
    """Return what changed from the old space to the new one."""
    variables = _variables(old, new)
    constraints = _constraints(old, new)
    return Difference(variables, constraints, verdict(old, new))


def verdict(old: Space, new: Space) -> Verdict:
    """Return how the new space's configurations compare with the old one's."""
    if set(old.names) != set(new.names):
        return Verdict.INCOMPATIBLE
    mine = {each.name: each for each in new.variables}
    verdicts = [_domain_verdict(each, mine[each.name]) for each in old.variables]
    # The rules hold the constraints that the compatibility of components implies, too.
    before, after = _rules(old), _rules(new)
    verdicts += [Verdict.WIDER] if before - after else []
    verdicts += [Verdict.NARROWER] if after - before else []
    return together(verdicts)


def together(verdicts: Iterable[Verdict]) -> Verdict:
    """Return what several verdicts come to: wider and narrower at once is neither."""
    found = set(verdicts) - {Verdict.SAME}
    if len(found) > 1:
        return Verdict.INCOMPATIBLE
    return found.pop() if found else Verdict.SAME


def _rules(space: Space) -> set[str]:
    return {constraint.expression for constraint, _ in space.rules.constraints}


def _variables(old: Space, new: Space) -> Changes:
    before = dict(zip(old.names, old.to_json(), strict=True))
    after = dict(zip(new.names, new.to_json(), strict=True))
    mine = {each.name: each for each in new.variables}
    verdicts = {each.name: _domain_verdict(each, mine[each.name]) for each in old.variables if each.name in mine}
    return _changes(before, after, verdicts)


def _constraints(old: Space, new: Space) -> Changes:
    before = {each.id: each.to_json() for each in old.constraints}
    after = {each.id: each.to_json() for each in new.constraints}
    verdicts = {
        name: Verdict.SAME if before[name]["expression"] == after[name]["expression"] else Verdict.INCOMPATIBLE
        for name in before.keys() & after.keys()
    }
    return _changes(before, after, verdicts)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], verdicts: Mapping[str, Verdict]) -> Changes:
    both = [name for name in before if name in after]
    changed = [
        Change(name, tuple(_fields(before[name], after[name])), verdicts[name])
        for name in both
        if not is_same(before[name], after[name])
    ]
    return Changes(
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(changed),
        both != [name for name in after if name in before],
    )


def _domain_verdict(old: Declared, new: Declared) -> Verdict:
    if old.when != new.when or old.kind != new.kind:
        return Verdict.INCOMPATIBLE
    if isinstance(old, GroupVariable) and isinstance(new, GroupVariable):
        return verdict(old.inner, new.inner)
    wider, narrower = contains(new, old), contains(old, new)
    if wider and narrower:
        return Verdict.SAME
    return Verdict.WIDER if wider else Verdict.NARROWER if narrower else Verdict.INCOMPATIBLE


def _fields(before: Json, after: Json, path: str = "") -> Iterator[str]:
    """Yield the paths at which two JSON values differ; lists are compared as a whole."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            if key not in before or key not in after:
                yield f"{path}{key}"
            else:
                yield from _fields(before[key], after[key], f"{path}{key}.")
    elif not is_same(before, after):
        yield path.removesuffix(".")
