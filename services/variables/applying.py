"""Where the variables of a configuration have their place in a program document, and putting them there."""

from collections.abc import Iterator, Mapping

from ashgrove.program.v1.program_pb2 import Program
from google.protobuf.field_mask_pb2 import FieldMask

from domain.prompt_values import UNCHANGED
from domain.prompt_variables import InstructionVariable, PromptVariable
from domain.space import ComputedVariable, Declared, GroupVariable, Space
from domain.values import Json, is_number, shown
from framework.errors import FieldViolation, InvalidFields
from services.variables.places import INSTRUCTIONS, AtStep, Placed, at_slot, parts_of

_PLACES: Mapping[str, tuple[str, type]] = {
    "instructions": (INSTRUCTIONS, str),
    **{
        name: (f"program_config.{name}", kind)
        for name, kind in {
            "model": str,
            "temperature": float,
            "top_p": float,
            "max_tokens": int,
            "timeout_ms": int,
            "parse_attempts": int,
            "model_attempts": int,
            "retry_backoff_ms": int,
            "demonstration_count": int,
            "demonstration_selection": str,
            "demonstration_order": str,
            "rule_count": int,
        }.items()
    },
}
"""The field that a variable of each name sets, and what that holds."""

_WORDS = {str: "text", float: "a number", int: "a whole number of 32 bits"}


def placed(space: Space, values: Mapping[str, Json], program: Program) -> list[Placed]:
    """Returns where each value belongs; raises InvalidFields naming every variable that has no place.

    `unchanged` leaves its place alone, and what is merely computed needs none.
    """
    found: list[Placed] = []
    faults: list[FieldViolation] = []
    taken: dict[str, str] = {}
    for variable in space.variables:
        if variable.name in values:
            for each in _placed(variable, values[variable.name], program):
                if isinstance(each, Placed) and (other := taken.setdefault(each.field, each.variable)) != each.variable:
                    each = FieldViolation(f"values.{each.variable}", f"sets {each.field}, as {other} does")
                if isinstance(each, Placed):
                    found.append(each)
                else:
                    faults.append(each)
    if faults:
        raise InvalidFields(*faults)
    return found


def _placed(variable: Declared, value: Json, program: Program) -> Iterator[Placed | FieldViolation]:
    path = f"values.{variable.name}"
    if isinstance(variable, PromptVariable):
        yield from _prompt(variable, value)
    elif isinstance(variable, GroupVariable):
        yield from _step(variable, value, program)
    elif variable.name in _PLACES:
        field, kind = _PLACES[variable.name]
        if _fits(value, kind):
            yield Placed(variable.name, field, kind(value))
        else:
            yield FieldViolation(path, f"{field} holds {_WORDS[kind]}, not {shown(value)}")
    elif not isinstance(variable, ComputedVariable):
        places = ", ".join(_PLACES)
        yield FieldViolation(path, f"has no place in a program document; those that have one are called {places}")


def _step(group: GroupVariable, values: Mapping[str, Json], program: Program) -> Iterator[Placed | FieldViolation]:
    """Yields where the members of a group called like a step of a pipeline belong."""
    parts = parts_of(program, group.name)
    for name, value in values.items():
        field = f"program_config.pipeline.steps.{group.name}.{name}"
        if name not in parts:
            there = f"that step holds {', '.join(sorted(parts))}" if parts else "the program has no such step"
            yield FieldViolation(f"values.{group.name}.{name}", f"has no place in the program's document: {there}")
        elif _fits(value, int):
            yield AtStep(f"{group.name}.{name}", field, int(value), group.name, name)
        else:
            yield FieldViolation(f"values.{group.name}.{name}", f"{field} holds {_WORDS[int]}, not {shown(value)}")


def _fits(value: Json, kind: type) -> bool:
    """Tells whether a field of the kind can hold the value; whether it may is for the program service to say."""
    if kind is str:
        return isinstance(value, str)
    return is_number(value) and (kind is float or (value == int(value) and -(2**31) <= value < 2**31))


def _prompt(variable: PromptVariable, value: Json) -> Iterator[Placed]:
    """Yields where a prompt belongs: a space holds no others than those of the program's slots by then."""
    if value != UNCHANGED:
        assert variable.pool is not None, "it was validated with its pool"
        said = variable.pool[value]
        if isinstance(variable, InstructionVariable):
            yield at_slot(variable.name, variable.slot, "instructions", said.text)
        else:
            yield at_slot(variable.name, variable.slot, "demonstrations", said.demonstrations)


def changed_mask(places: list[Placed]) -> FieldMask:
    """Returns the top-level fields of a program that these places are in."""
    return FieldMask(paths=sorted({each.field.split(".")[0] for each in places}))
