"""The JSON form of a space, which is also the proto's.

A variable is {"name", "description", "<kind>": {...}, "default", "when", "hints", "metadata"}, a constraint {"id",
"expression", "message", "suggested_fix"}.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain.constraints import Constraint
from domain.soundness import judge_space
from domain.space import Space
from domain.structured_variables import Declared
from domain.values import Invalid, Json, Violation, shown
from domain.variable_json import form_faults, unknown_keys, variable_of


def read(variables: Json, constraints: Json = ()) -> Space:
    """Read a space; raises Invalid with every violation of form and of meaning."""
    violations: list[Violation] = []
    entries = _listed(variables, "variables", violations)
    rules = _listed(constraints, "constraints", violations)
    sound = {index: variable_of(entries[index]) for index in _sound(entries, "variables", form_faults, violations)}
    judged = {index: _constraint(rules[index]) for index in _sound(rules, "constraints", _rule_faults, violations)}
    if violations:
        names = [entry.get("name") for entry in entries if isinstance(entry, Mapping)]
        # Names of variables that cannot be read are no unknown names to the expressions that read them.
        _, faults = judge_space(sound, judged, (len(entries), len(rules)), [n for n in names if isinstance(n, str)])
        raise Invalid([*violations, *faults])
    return Space(tuple(sound.values()), tuple(judged.values()))


def write(space: Space) -> list[dict[str, Json]]:
    """Write every variable with its domain in full; absent defaults, steps and conditions stay absent."""
    return [_entry(variable) for variable in space.variables]


def _entry(variable: Declared) -> dict[str, Json]:
    entry: dict[str, Json] = {"name": variable.name, "description": variable.description}
    entry |= {variable.kind: variable.domain()}
    entry |= {} if variable.default is None else {"default": variable.default}
    entry |= {"when": variable.when} if variable.when else {}
    return entry | variable.notes.to_json()


def _listed(entries: Json, path: str, violations: list[Violation]) -> list[Any]:
    if isinstance(entries, list | tuple):
        return list(entries)
    violations.append(Violation(path, f"must be a list, not {shown(entries)}", "WRONG_TYPE"))
    return []


def _sound(
    entries: list[Any], path: str, faults_of: Callable[[Any, str], Iterator[Violation]], violations: list[Violation]
) -> Iterator[int]:
    """Yield the places of the entries that can be read, and add what keeps the others from it."""
    for index, entry in enumerate(entries):
        faults = list(faults_of(entry, f"{path}[{index}]"))
        violations.extend(faults)
        if not faults:
            yield index


def _constraint(entry: Mapping[str, Json]) -> Constraint:
    return Constraint(**{key: value for key, value in entry.items() if value is not None})


def _rule_faults(entry: Any, path: str) -> Iterator[Violation]:
    if not isinstance(entry, Mapping):
        yield Violation(path, f"must be an object, not {shown(entry)}", "WRONG_TYPE")
        return
    for key in ("id", "expression"):
        if entry.get(key) is None:
            yield Violation(f"{path}.{key}", "is required", "REQUIRED")
    yield from unknown_keys(entry, {"id", "expression", "message", "suggested_fix"}, path)
