"""What makes a space sound: names, domains, defaults, conditions and constraints."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from domain.constraints import Constraint
from domain.expressions import parse
from domain.expressions.faults import Malformed
from domain.expressions.parsing import LONGEST
from domain.module_variables import ModuleVariable, implied_constraints
from domain.prompt_variables import PromptVariable
from domain.rules import Rules, read_rules
from domain.structured_variables import ComputedVariable, ConditionalVariable, Declared, GroupVariable
from domain.values import IDENTIFIER, Invalid, Violation, shown, told_faults

MOST_VARIABLES = 1000
MOST_CONSTRAINTS = 1000
LONGEST_DESCRIPTION = 1000
LONGEST_TOGETHER = 200_000
"""How many characters all expressions of a space may have together: reading them takes a second."""


def judge_space(
    variables: Mapping[int, Declared],
    constraints: Mapping[int, Constraint],
    counts: tuple[int, int],
    unreadable: Collection[str] = (),
) -> tuple[Rules, list[Violation]]:
    """Return the rules of variables and constraints, given by their places, and everything that is wrong with them."""
    length = sum(map(_length, variables.values())) + sum(_text_length(each.expression) for each in constraints.values())
    if length > LONGEST_TOGETHER:
        # Not one is read: that alone would take long.
        message = f"has expressions of {length} characters together: at most {LONGEST_TOGETHER}"
        return Rules(()), [Violation("constraints" if constraints else "variables", message, "TOO_LARGE")]
    faults = [
        *_too_many("variables", counts[0] + sum(map(_inner_count, variables.values())), MOST_VARIABLES),
        *_too_many("constraints", counts[1], MOST_CONSTRAINTS),
        *_variables_faults(variables),
        *_slot_faults(variables),
        *_constraints_faults(constraints),
    ]
    implied = {} if faults else _implied(variables, counts[1], faults)
    return read_rules(variables, {**constraints, **implied}, unreadable, faults), faults


def _implied(variables: Mapping[int, Declared], count: int, faults: list[Violation]) -> dict[int, Constraint]:
    """Return what the compatibility of components means, at places after the `count` constraints that are written."""
    constraints = list(implied_constraints(variables.values()))
    for index, variable in variables.items():
        if constraints and isinstance(variable, ModuleVariable) and not _is_readable(variable.name):
            message = "is a reserved word of expressions, by which the compatibility of components is judged"
            faults.append(Violation(f"variables[{index}].name", message, "INVALID_NAME"))
    faults.extend(_unspeakable(variables, constraints))
    return {} if faults else dict(enumerate(constraints, count))


def _unspeakable(variables: Mapping[int, Declared], constraints: Sequence[Constraint]) -> Iterator[Violation]:
    """Yield which modules have more components than an expression can say what goes together with what."""
    places = {each.name: index for index, each in variables.items()}
    for each in constraints:
        if (length := len(each.expression)) > LONGEST:
            _, one, other = each.id.split("-")
            takes = f"{length} characters to say, at most {LONGEST}: list fewer components"
            message = f"which of them go together with those of {other} takes {takes}"
            yield Violation(f"variables[{places[one]}].module.components", message, "TOO_LARGE")


def _is_readable(name: str) -> bool:
    try:
        return parse(name).kind == "name"
    except Malformed:
        return False


def _length(variable: Declared) -> int:
    """Return how long the expressions of a variable are, and those of the variables within it."""
    inner = sum(map(_length, variable.variables)) if isinstance(variable, GroupVariable) else 0
    own = variable.expression if isinstance(variable, ComputedVariable) else ""
    split = variable.condition if isinstance(variable, ConditionalVariable) else ""
    return inner + sum(map(_text_length, (variable.when, own, split)))


def _text_length(text: object) -> int:
    return len(text) if isinstance(text, str) else 0


def _inner_count(variable: Declared) -> int:
    """Return how many variables stand within a group, at any depth."""
    if not isinstance(variable, GroupVariable):
        return 0
    return len(variable.variables) + sum(map(_inner_count, variable.variables))


def _too_many(what: str, count: int, most: int) -> Iterator[Violation]:
    if count > most:
        yield Violation(what, f"must be at most {most}, not {count}", "OUT_OF_RANGE")


def _variables_faults(variables: Mapping[int, Declared]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, variable in variables.items():
        path = f"variables[{index}]"
        yield from _variable_faults(variable, path)
        if isinstance(variable.name, str) and (earlier := first.setdefault(variable.name, index)) != index:
            yield Violation(f"{path}.name", f"repeats variables[{earlier}].name", "DUPLICATE")


def _variable_faults(variable: Declared, path: str) -> Iterator[Violation]:
    if not isinstance(variable.name, str) or not IDENTIFIER.fullmatch(variable.name):
        message = "must be a lower-case identifier of at most 63 letters, digits and underscores"
        yield Violation(f"{path}.name", message, "INVALID_NAME")
    yield from told_faults(variable.description, f"{path}.description", LONGEST_DESCRIPTION)
    if not isinstance(variable.when, str):
        yield Violation(f"{path}.when", f"must be text, not {shown(variable.when)}", "WRONG_TYPE")
    yield from variable.notes.faults(path)
    faults = list(variable.faults(f"{path}.{variable.kind}"))
    yield from faults
    if variable.default is not None and not faults:
        yield from _default_faults(variable, f"{path}.default")


def _default_faults(variable: Declared, path: str) -> Iterator[Violation]:
    try:
        variable.accept(variable.default, path)
    except Invalid as invalid:
        yield from invalid.violations


def _slot_faults(variables: Mapping[int, Declared]) -> Iterator[Violation]:
    first: dict[tuple[str, str], int] = {}
    for index, variable in variables.items():
        if isinstance(variable, PromptVariable) and isinstance(variable.slot, str):
            earlier = first.setdefault((variable.kind, variable.slot), index)
            if earlier != index:
                path = f"variables[{index}].{variable.kind}.slot"
                yield Violation(path, f"repeats variables[{earlier}].{variable.kind}.slot", "DUPLICATE")


def _constraints_faults(constraints: Mapping[int, Constraint]) -> Iterator[Violation]:
    first: dict[str, int] = {}
    for index, constraint in constraints.items():
        path = f"constraints[{index}]"
        yield from constraint.faults(path)
        if isinstance(constraint.id, str) and (earlier := first.setdefault(constraint.id, index)) != index:
            yield Violation(f"{path}.id", f"repeats constraints[{earlier}].id", "DUPLICATE")
