"""Where the variables of a configuration have their place in a program document, and putting them there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ashgrove.program.v1 import program_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from domain.prompt_values import UNCHANGED
from domain.prompt_variables import InstructionVariable, PromptVariable
from domain.space import ComputedVariable, Declared, Space
from domain.values import Json, is_number, shown
from framework.errors import FieldViolation, InvalidFields

MAIN = "main"
"""The slot whose instruction a program document holds."""

_INSTRUCTIONS = "signature_config.instructions"
_PLACES: Mapping[str, tuple[str, type]] = {
    "instructions": (_INSTRUCTIONS, str),
    **{
        name: (f"program_config.{name}", kind)
        for name, kind in {
            "model": str,
            "temperature": float,
            "top_p": float,
            "max_tokens": int,
            "timeout_ms": int,
            "demonstration_count": int,
            "demonstration_selection": str,
            "demonstration_order": str,
            "rule_count": int,
        }.items()
    },
}
"""The field that a variable of each name sets, and what that holds."""

_WORDS = {str: "text", float: "a number", int: "a whole number of 32 bits"}


@dataclass(frozen=True)
class Placed:
    """A variable's value at its place."""

    variable: str
    field: str
    value: Json

    def put(self, program: program_pb2.Program) -> Json:
        """Sets the field and returns what it held before, None for nothing."""
        holder, name = self.field.split(".")
        config = getattr(program, holder)
        before = getattr(config, name) if _is_set(config, name) else None
        setattr(config, name, self.value)
        return before


def placed(space: Space, values: Mapping[str, Json]) -> list[Placed]:
    """Returns where each value belongs; raises InvalidFields naming every variable that has no place.

    `unchanged` leaves its place alone, and what is merely computed needs none.
    """
    found: list[Placed] = []
    faults: list[FieldViolation] = []
    taken: dict[str, str] = {}
    for variable in space.variables:
        if variable.name in values:
            for each in _placed(variable, values[variable.name]):
                if isinstance(each, Placed) and (other := taken.setdefault(each.field, each.variable)) != each.variable:
                    each = FieldViolation(f"values.{each.variable}", f"sets {each.field}, as {other} does")
                if isinstance(each, Placed):
                    found.append(each)
                else:
                    faults.append(each)
    if faults:
        raise InvalidFields(*faults)
    return found


def _placed(variable: Declared, value: Json) -> Iterator[Placed | FieldViolation]:
    path = f"values.{variable.name}"
    if isinstance(variable, PromptVariable):
        yield from _prompt(variable, value, path)
    elif variable.name in _PLACES:
        field, kind = _PLACES[variable.name]
        if _fits(value, kind):
            yield Placed(variable.name, field, kind(value))
        else:
            yield FieldViolation(path, f"{field} holds {_WORDS[kind]}, not {shown(value)}")
    elif not isinstance(variable, ComputedVariable):
        places = ", ".join(_PLACES)
        yield FieldViolation(path, f"has no place in a program document; those that have one are called {places}")


def _fits(value: Json, kind: type) -> bool:
    """Tells whether a field of the kind can hold the value; whether it may is for the program service to say."""
    if kind is str:
        return isinstance(value, str)
    return is_number(value) and (kind is float or (value == int(value) and -(2**31) <= value < 2**31))


def _prompt(variable: PromptVariable, value: Json, path: str) -> Iterator[Placed | FieldViolation]:
    if value == UNCHANGED:
        return
    if isinstance(variable, InstructionVariable) and variable.slot == MAIN:
        assert variable.pool is not None, "it was validated with its pool"
        yield Placed(variable.name, _INSTRUCTIONS, variable.pool[value].text)
    else:
        what = "demonstrations" if not isinstance(variable, InstructionVariable) else f"the slot {variable.slot}"
        yield FieldViolation(path, f"a program document has no place for {what}")


def changed_mask(places: list[Placed]) -> FieldMask:
    """Returns the top-level fields of a program that these places are in."""
    return FieldMask(paths=sorted({each.field.split(".")[0] for each in places}))


def _is_set(config: Any, name: str) -> bool:
    field = config.DESCRIPTOR.fields_by_name[name]
    return bool(config.HasField(name) if field.has_presence else getattr(config, name))
