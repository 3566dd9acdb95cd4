"""The JSON form of a space, which is also the proto's.

A variable is {"name", "description", "<kind>": {...}, "default", "when"}, a constraint {"id", "expression", "message",
"suggested_fix"}.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from domain.constraints import Constraint
from domain.normal import Normal
from domain.soundness import judge_space
from domain.space import Space
from domain.values import Invalid, Json, Violation, normalise, shown
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable, Variable

_KINDS: dict[str, type[Variable]] = {
    each.kind: each for each in (FloatVariable, IntegerVariable, ChoiceVariable, BooleanVariable)
}
_REQUIRED = {"float": {"low", "high"}, "integer": {"low", "high"}, "choice": {"choices"}, "boolean": set[str]()}
_OPTIONAL = {
    "float": {"log", "step", "normal"},
    "integer": {"log", "step", "power_of_two"},
    "choice": {"weights", "ordered", "allow_custom"},
    "boolean": set[str](),
}
_LISTS = ("choices", "weights")


def read(variables: Json, constraints: Json = ()) -> Space:
    """Read a space; raises Invalid with every violation of form and of meaning."""
    violations: list[Violation] = []
    entries = _listed(variables, "variables", violations)
    rules = _listed(constraints, "constraints", violations)
    sound = {index: _variable(entries[index]) for index in _sound(entries, "variables", _form_faults, violations)}
    judged = {index: Constraint(**rules[index]) for index in _sound(rules, "constraints", _rule_faults, violations)}
    if violations:
        names = [entry.get("name") for entry in entries if isinstance(entry, Mapping)]
        # Names of variables that cannot be read are no unknown names to the expressions that read them.
        _, faults = judge_space(sound, judged, (len(entries), len(rules)), [n for n in names if isinstance(n, str)])
        raise Invalid([*violations, *faults])
    return Space(tuple(sound.values()), tuple(judged.values()))


def write(space: Space) -> list[dict[str, Json]]:
    """Write every variable with its domain in full; absent defaults, steps and conditions stay absent."""
    return [_entry(variable) for variable in space.variables]


def _entry(variable: Variable) -> dict[str, Json]:
    entry: dict[str, Json] = {
        "name": variable.name,
        "description": variable.description,
        variable.kind: variable.domain(),
    }
    entry |= {} if variable.default is None else {"default": variable.default}
    return {**entry, "when": variable.when} if variable.when else entry


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


def _rule_faults(entry: Any, path: str) -> Iterator[Violation]:
    if not isinstance(entry, Mapping):
        yield Violation(path, f"must be an object, not {shown(entry)}", "WRONG_TYPE")
        return
    for key in ("id", "expression"):
        if key not in entry:
            yield Violation(f"{path}.{key}", "is required", "REQUIRED")
    yield from _unknown_keys(entry, {"id", "expression", "message", "suggested_fix"}, path)


def _form_faults(entry: Any, path: str) -> Iterator[Violation]:
    """Yield what keeps the entry from being read at all."""
    if not isinstance(entry, Mapping):
        yield Violation(path, f"must be an object, not {shown(entry)}", "WRONG_TYPE")
        return
    kinds = [kind for kind in _KINDS if kind in entry]
    if "name" not in entry:
        yield Violation(f"{path}.name", "is required", "REQUIRED")
    if len(kinds) != 1:
        yield Violation(path, f"must have exactly one of {', '.join(_KINDS)}", "REQUIRED")
    yield from _unknown_keys(entry, {"name", "description", "default", "when", *_KINDS}, path)
    for kind in kinds:
        yield from _domain_faults(kind, entry[kind], f"{path}.{kind}")


def _domain_faults(kind: str, domain: Any, path: str) -> Iterator[Violation]:
    if not isinstance(domain, Mapping):
        yield Violation(path, f"must be an object, not {shown(domain)}", "WRONG_TYPE")
        return
    for key in sorted(_REQUIRED[kind] - set(domain)):
        yield Violation(f"{path}.{key}", "is required", "REQUIRED")
    yield from _unknown_keys(domain, _REQUIRED[kind] | _OPTIONAL[kind], path)
    for key in _LISTS:
        if key in domain and not isinstance(domain[key], list | tuple):
            yield Violation(f"{path}.{key}", "must be a list", "WRONG_TYPE")
    if domain.get("normal") is not None:
        yield from _normal_faults(domain["normal"], f"{path}.normal")


def _normal_faults(normal: Any, path: str) -> Iterator[Violation]:
    if not isinstance(normal, Mapping):
        yield Violation(path, f"must be an object, not {shown(normal)}", "WRONG_TYPE")
        return
    for key in sorted({"mean", "sigma"} - set(normal)):
        yield Violation(f"{path}.{key}", "is required", "REQUIRED")
    yield from _unknown_keys(normal, {"mean", "sigma"}, path)


def _unknown_keys(entry: Mapping[Any, Json], known: set[str], path: str) -> Iterator[Violation]:
    for key in entry:
        if key not in known:
            yield Violation(f"{path}.{key}", "is not a known field", "UNKNOWN_NAME")


def _variable(entry: Mapping[str, Json]) -> Variable:
    """Make the variable; whether its values make sense is for Space to say."""
    kind = next(kind for kind in _KINDS if kind in entry)
    domain = {key: value for key, value in entry[kind].items() if value is not None}
    if domain.get("step") in (0, "0"):  # the proto's way of saying that there is none
        del domain["step"]
    if kind == "integer":
        domain = {key: _whole(value) for key, value in domain.items()}
    if kind == "choice":
        domain = {key: tuple(map(_plain, value)) if key in _LISTS else value for key, value in domain.items()}
    if "normal" in domain:
        domain["normal"] = Normal(**domain["normal"])
    default = entry.get("default")
    if kind in ("integer", "choice"):
        default = _plain(default)
    described = {key: entry[key] for key in ("description", "when") if entry.get(key) is not None}
    return _KINDS[kind](name=entry["name"], default=default, **described, **domain)


def _whole(value: Json) -> Json:
    """Return 3 for 3.0 and for "3", as JSON writes 64-bit integers of protos; the rest as it is."""
    if isinstance(value, str) and len(value) <= 20 and value.removeprefix("-").isdecimal() and value.isascii():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _plain(value: Json) -> Json:
    """Return the normalised value, or the value itself where Space will find fault with it."""
    try:
        return normalise(value)
    except Invalid:
        return value
