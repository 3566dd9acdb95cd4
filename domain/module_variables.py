"""Modules to choose from: components by their ids, never anything that could be imported."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from domain.values import Json, Violation, shown
from domain.variables import ChoiceVariable

MOST_CAPABILITIES = 100
_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")
_COMPONENT = re.compile(r"[a-z][a-z0-9_-]{0,62}(@[0-9][0-9a-z.-]{0,30})?")


@dataclass(frozen=True)
class Component:
    """A component that a program may be made of: its id, which may carry a version (`react@2`), and what it can do."""

    id: str
    capabilities: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Return it as JSON."""
        return {"id": self.id} | ({"capabilities": list(self.capabilities)} if self.capabilities else {})


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
        if not isinstance(self.interface, str) or not _ID.fullmatch(self.interface):
            message = f"must be the lower-case name of an interface, such as `reasoning`, not {shown(self.interface)}"
            yield Violation(f"{path}.interface", message, "INVALID_NAME")
        yield from _names_faults(self.capabilities, f"{path}.capabilities")
        for violation in super().faults(path):
            yield Violation(
                violation.path.replace(".choices", ".components"),
                violation.message.replace("choices", "components"),
                violation.code,
            )
        for index, component in enumerate(self.components):
            yield from self._component_faults(component, f"{path}.components[{index}]")

    def _component_faults(self, component: Component, path: str) -> Iterator[Violation]:
        if not isinstance(component.id, str) or not _COMPONENT.fullmatch(component.id):
            message = f"must be a component's id, such as `react` or `react@2`, not {shown(component.id)}"
            yield Violation(f"{path}.id", message, "INVALID_NAME")
        yield from _names_faults(component.capabilities, f"{path}.capabilities")
        if lacking := [each for each in self.capabilities if each not in component.capabilities]:
            message = f"must hold {', '.join(map(str, lacking))}, which the variable asks for"
            yield Violation(f"{path}.capabilities", message, "INCOMPATIBLE")

    def domain(self) -> dict[str, Json]:
        """Return the domain as JSON."""
        asked = {"capabilities": list(self.capabilities)} if self.capabilities else {}
        return {"interface": self.interface, "components": [each.to_json() for each in self.components], **asked}


def _names_faults(names: tuple[str, ...], path: str) -> Iterator[Violation]:
    if len(names) > MOST_CAPABILITIES:
        yield Violation(path, f"must be at most {MOST_CAPABILITIES}, not {len(names)}", "OUT_OF_RANGE")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not _ID.fullmatch(name):
            yield Violation(f"{path}[{index}]", f"must be a lower-case name, not {shown(name)}", "INVALID_NAME")
