"""Which resources a rule of the suite speaks of, and what they are tested with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from framework.resource import Registry, ResourceSpec, spec_of
from framework.testing.contract import Driver, Subject
from framework.testing.factories import sound
from framework.testing.workbench import Workbench

F = TypeVar("F", bound=Callable[..., Any])
Choice = Callable[[Registry, ResourceSpec], bool]


class Subjects:
    """The resources of a service as subjects of the suite; those that are not given are made from their bounds."""

    def __init__(self, registry: Registry, migrations: Path, *given: Subject) -> None:
        self.registry = registry
        self.migrations = migrations
        self._given = {subject.spec: subject for subject in given}
        # Far from those that rules use themselves: what must be unique is.
        self._numbers = count(1001)

    def of(self, spec: ResourceSpec) -> Subject:
        """Returns a resource as a subject."""

        async def derived(bench: Workbench, number: int) -> Any:
            return sound(spec.resource, number, whole=True, **await self._parents(bench, spec))

        given = self._given.get(spec) or Subject(spec.resource)
        return given if given.make else replace(given, make=derived)

    async def _parents(self, bench: Workbench, spec: ResourceSpec) -> dict[str, str]:
        """Makes what a resource must refer to, and returns the ids by field."""
        made = {}
        for name, collection in spec.storage.references.items():
            parent = next(s for s in bench.registry.specs.values() if s.collection == collection)
            if name in spec.fields and spec.fields[name].required:
                driver = Driver(bench, self.of(parent))
                made[name] = (await driver.create(await driver.sound(next(self._numbers)))).id
        return made


class Pair:
    """One resource under test, and the subjects of its service."""

    def __init__(self, subjects: Subjects, spec: ResourceSpec) -> None:
        self.subjects = subjects
        self.spec = spec

    def __str__(self) -> str:
        return f"{self.subjects.registry.service}.{self.spec.noun}"


def over(*verbs: str, where: Callable[[ResourceSpec], Any] = bool, creatable: bool = True) -> Callable[[F], F]:
    """Runs a rule over every resource that has these methods, and of whose spec something holds.

    Only those that a client can create, unless it says otherwise: the others cannot be made.
    """
    needed = {*verbs, "Create"} if creatable else {*verbs}

    def bind(rule: F) -> F:
        rule.__ashgrove_over__ = lambda registry, spec: needed <= _standard(registry, spec) and bool(where(spec))  # type: ignore[attr-defined]
        return rule

    return bind


def _standard(registry: Registry, spec: ResourceSpec) -> set[str]:
    return {m.verb for m in registry.methods.values() if m.resource is spec and m.standard}


def chosen(rule: Callable[..., Any], declared: Subjects | Sequence[Subjects]) -> Iterator[Pair] | None:
    """Returns the resources that a rule speaks of; None for what is no rule."""
    choice: Choice | None = getattr(rule, "__ashgrove_over__", None)
    if choice is None:
        return None
    every = [declared] if isinstance(declared, Subjects) else declared
    return (Pair(s, spec) for s in every for spec in s.registry.specs.values() if choice(s.registry, spec))


__all__ = ["Pair", "Subject", "Subjects", "chosen", "over", "spec_of"]
