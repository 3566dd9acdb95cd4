"""Modules to choose from: components by their ids, never anything that could be imported."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from domain.constraints import Constraint
from domain.values import IDENTIFIER, Json, Violation, shown
from domain.variables import ChoiceVariable

MOST_CAPABILITIES = 100
MOST_INTERFACES = 20
_COMPONENT = re.compile(r"[a-z][a-z0-9_-]{0,62}(@[0-9][0-9a-z.-]{0,30})?")


@dataclass(frozen=True)
class Compatibility:
    """Of the components that serve an interface, those that go together with one; an id without version means all."""

    interface: str
    components: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"interface": self.interface, "components": list(self.components)}


@dataclass(frozen=True)
class Component:
    """A component that a program may be made of: its id, which may carry a version (`react@2`), and what it can do.

    With every interface that `compatibility` does not name it goes together as it is.
    """

    id: str
    capabilities: tuple[str, ...] = ()
    compatibility: tuple[Compatibility, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        can: dict[str, Json] = {"capabilities": list(self.capabilities)} if self.capabilities else {}
        fits = [each.to_json() for each in self.compatibility]
        return {"id": self.id} | can | ({"compatibility": fits} if fits else {})

    def fitting(self, interface: str, components: Sequence[str]) -> list[str]:
        """Return which of the components that serve the interface it goes together with."""
        listed = [frozenset(each.components) for each in self.compatibility if each.interface == interface]
        return [each for each in components if all(each in ids or each.partition("@")[0] in ids for ids in listed)]


@dataclass(frozen=True)
class ModuleVariable(ChoiceVariable):
    """One of the components that serve an interface, by its id.

    Each must have all the `capabilities` that the variable asks for.
    """

    kind: ClassVar[str] = "module"
    choices: tuple[Json, ...] = ()
    interface: str = ""
    components: tuple[Component, ...] = ()
    capabilities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "choices", tuple(each.id for each in self.components))

    def faults(self, path: str) -> Iterator[Violation]:
        """Yield what is wrong with its components, at paths below `path`."""
        yield from _interface_faults(self.interface, path)
        yield from _names_faults(self.capabilities, f"{path}.capabilities")
        for violation in super().faults(path):
            place = violation.path.replace(".choices", ".components")
            yield replace(violation, path=place, message=violation.message.replace("choices", "components"))
        for index, component in enumerate(self.components):
            yield from self._component_faults(component, f"{path}.components[{index}]")

    def _component_faults(self, component: Component, path: str) -> Iterator[Violation]:
        yield from _id_faults(component.id, f"{path}.id")
        yield from _names_faults(component.capabilities, f"{path}.capabilities")
        if lacking := [each for each in self.capabilities if each not in component.capabilities]:
            message = f"must hold {', '.join(map(str, lacking))}, which the variable asks for"
            yield Violation(f"{path}.capabilities", message, "INCOMPATIBLE")
        if len(component.compatibility) > MOST_INTERFACES:
            yield Violation(f"{path}.compatibility", f"must be at most {MOST_INTERFACES} interfaces", "OUT_OF_RANGE")
        for index, each in enumerate(component.compatibility):
            place = f"{path}.compatibility[{index}]"
            yield from _interface_faults(each.interface, place)
            for number, identifier in enumerate(each.components):
                yield from _id_faults(identifier, f"{place}.components[{number}]")

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        asked = {"capabilities": list(self.capabilities)} if self.capabilities else {}
        return {"interface": self.interface, "components": [each.to_json() for each in self.components], **asked}


def implied_constraints(variables: Iterable[object]) -> Iterator[Constraint]:
    """Yield what the compatibility of components means for each pair of sound module variables that it speaks of."""
    modules = [each for each in variables if isinstance(each, ModuleVariable)]
    for one in modules:
        for other in modules:
            if one is not other and (constraint := _implied(one, other)):
                yield constraint


def _implied(one: ModuleVariable, other: ModuleVariable) -> Constraint | None:
    theirs = [each.id for each in other.components]
    table = {mine.id: mine.fitting(other.interface, theirs) for mine in one.components}
    if all(len(fitting) == len(theirs) for fitting in table.values()):
        return None
    # Ids hold neither quotes nor backslashes.
    pairs = ", ".join(f"'{mine}': [{', '.join(map(repr, fitting))}]" for mine, fitting in table.items())
    message = f"{one.name} and {other.name} are components that do not go together"
    return Constraint(
        f"compatible-{one.name}-{other.name}", f"{other.name} in {{{pairs}}}[{one.name}]", message=message
    )


def _interface_faults(interface: object, path: str) -> Iterator[Violation]:
    if not isinstance(interface, str) or not IDENTIFIER.fullmatch(interface):
        message = f"must be the lower-case name of an interface, such as `reasoning`, not {shown(interface)}"
        yield Violation(f"{path}.interface", message, "INVALID_NAME")


def _id_faults(identifier: object, path: str) -> Iterator[Violation]:
    if not isinstance(identifier, str) or not _COMPONENT.fullmatch(identifier):
        message = f"must be a component's id, such as `react` or `react@2`, not {shown(identifier)}"
        yield Violation(path, message, "INVALID_NAME")


def _names_faults(names: tuple[str, ...], path: str) -> Iterator[Violation]:
    if len(names) > MOST_CAPABILITIES:
        yield Violation(path, f"must be at most {MOST_CAPABILITIES}, not {len(names)}", "OUT_OF_RANGE")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not IDENTIFIER.fullmatch(name):
            yield Violation(f"{path}[{index}]", f"must be a lower-case name, not {shown(name)}", "INVALID_NAME")
