"""Values drawn for the variables of a space, parents first, so that inactive variables are never drawn."""

from collections.abc import Callable, Collection, Mapping

from domain.expressions import Fault
from domain.rules import Active, Rules
from domain.seeds import Draw
from domain.structured_variables import ComputedVariable, ConditionalVariable, Declared
from domain.values import Invalid, Json

_NOTHING = object()


def completed(
    rules: Rules,
    source: Draw | Callable[[str], Draw],
    given: Mapping[str, Json] | None = None,
    anew: Collection[str] = (),
) -> dict[str, Json]:
    """Return values for the active variables: those given, except `anew`, else drawn; computed ones computed.

    What is given for a variable that is inactive, or for another branch than the active one, is dropped. A computed
    variable that has no value is left out; `Rules.broken` tells. The source may be a different one for each name.
    """
    kept = given or {}
    values: dict[str, Json] = {}
    for variable in rules.order:
        name = variable.name
        active = rules.active(variable, values)
        if isinstance(active, ComputedVariable):
            try:
                values[name] = rules.computed(name, values)
            except Fault:
                continue
        elif active is not None:
            taken = _taken(variable, active, kept[name]) if name in kept and name not in anew else _NOTHING
            if taken is _NOTHING:
                taken = active.draw(source if isinstance(source, Draw) else source(name))
            values[name] = taken
    return values


def _taken(variable: Declared, active: Active, value: Json) -> Json:
    """Return a value as the active branch has it, on its steps and of its type; _NOTHING where it takes no such."""
    if not isinstance(variable, ConditionalVariable):
        return value
    try:
        return active.accept(value, variable.name)
    except Invalid:
        return _NOTHING
