"""The JSON form of a variable: what it must look like to be read at all, and what is read from it.

Whether a domain makes sense is for Space to say.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from domain.module_variables import Compatibility, Component, ModuleVariable
from domain.normal import Normal
from domain.notes import Notes
from domain.prompt_variables import DemoSetVariable, InstructionVariable, Segment
from domain.structured_variables import (
    ComputedVariable,
    ConditionalVariable,
    Declared,
    GroupVariable,
    HybridBranch,
    HybridVariable,
)
from domain.values import Invalid, Json, Violation, normalise, shown
from domain.variables import BooleanVariable, ChoiceVariable, FloatVariable, IntegerVariable

DEEPEST_GROUP = 8
"""How deep groups may stand within groups."""

_SCALARS = ("float", "integer", "choice", "boolean", "module")
_ENTRY = ("name", "description", "default", "when", "hints", "metadata")


class _Form(NamedTuple):
    """What a kind's domain consists of: its fields, those that are lists, and what stands within them."""

    make: Callable[..., Any]
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    parts: Callable[[Mapping[str, Any], str, int], Iterator[Violation]] = lambda domain, path, depth: iter(())


def form_faults(entry: Any, path: str, depth: int = 0) -> Iterator[Violation]:
    """Yield what keeps a variable from being read at all."""
    if not isinstance(entry, Mapping):
        yield _no_object(entry, path)
        return
    if "name" not in entry:
        yield Violation(f"{path}.name", "is required", "REQUIRED")
    if not isinstance(entry.get("hints") or [], list | tuple):
        yield Violation(f"{path}.hints", "must be a list", "WRONG_TYPE")
    if not isinstance(entry.get("metadata") or {}, Mapping):
        yield _no_object(entry["metadata"], f"{path}.metadata")
    yield from _one_domain_faults(entry, tuple(_FORMS), path, depth, _ENTRY)


def unknown_keys(entry: Mapping[Any, Json], known: set[str], path: str) -> Iterator[Violation]:
    """Yield every field that is not known."""
    for key in entry:
        if key not in known:
            yield Violation(f"{path}.{key}", "is not a known field", "UNKNOWN_NAME")


def variable_of(entry: Mapping[str, Json]) -> Declared:
    """Return the variable of an entry without faults of form."""
    described = {key: entry[key] for key in ("description", "when") if entry.get(key) is not None}
    if entry.get("hints") or entry.get("metadata"):
        described["notes"] = Notes(tuple(entry.get("hints") or ()), _plain(entry.get("metadata") or {}))
    made: Declared = _made(entry, tuple(_FORMS), entry["name"], described)
    return made


def _one_domain_faults(
    entry: Mapping[Any, Any], kinds: tuple[str, ...], path: str, depth: int, others: tuple[str, ...]
) -> Iterator[Violation]:
    found = [kind for kind in kinds if kind in entry]
    if len(found) != 1:
        yield Violation(path, f"must have exactly one of {', '.join(kinds)}", "REQUIRED")
    yield from unknown_keys(entry, {*others, *kinds}, path)
    for kind in found:
        yield from _domain_faults(_FORMS[kind], entry[kind], f"{path}.{kind}", depth)


def _domain_faults(form: _Form, domain: Any, path: str, depth: int) -> Iterator[Violation]:
    if not isinstance(domain, Mapping):
        yield _no_object(domain, path)
        return
    for key in sorted(key for key in form.required if domain.get(key) is None):
        yield Violation(f"{path}.{key}", "is required", "REQUIRED")
    yield from unknown_keys(domain, {*form.required, *form.optional}, path)
    wrong = [key for key in form.lists if domain.get(key) is not None and not isinstance(domain[key], list | tuple)]
    for key in wrong:
        yield Violation(f"{path}.{key}", "must be a list", "WRONG_TYPE")
    if not wrong and not any(key in form.lists and domain.get(key) is None for key in form.required):
        yield from form.parts(domain, path, depth)


def _float_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    if domain.get("normal") is not None:
        form = _Form(Normal, ("mean", "sigma"))
        yield from _domain_faults(form, domain["normal"], f"{path}.normal", depth)


def _hybrid_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    for index, branch in enumerate(domain.get("branches", ())):
        place = f"{path}.branches[{index}]"
        if not isinstance(branch, Mapping):
            yield _no_object(branch, place)
            continue
        if "choice" not in branch:
            yield Violation(f"{place}.choice", "is required", "REQUIRED")
        yield from _one_domain_faults(branch, ("float", "integer"), place, depth, ("choice",))


def _group_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    if depth >= DEEPEST_GROUP:
        yield Violation(path, f"is nested deeper than {DEEPEST_GROUP} groups", "TOO_DEEP")
        return
    for index, entry in enumerate(domain.get("variables", ())):
        yield from form_faults(entry, f"{path}.variables[{index}]", depth + 1)


def _conditional_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    for field in ("then", "otherwise"):
        branch = domain.get(field)
        if isinstance(branch, Mapping):
            yield from _one_domain_faults(branch, _SCALARS, f"{path}.{field}", depth, ("default",))
        elif branch is not None:
            yield _no_object(branch, f"{path}.{field}")


def _module_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    form = _Form(
        Component, ("id",), ("capabilities", "compatibility"), ("capabilities", "compatibility"), _component_parts
    )
    for index, component in enumerate(domain.get("components", ())):
        yield from _domain_faults(form, component, f"{path}.components[{index}]", depth)


def _component_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    form = _Form(Compatibility, ("interface", "components"), (), ("components",))
    for index, each in enumerate(domain.get("compatibility") or ()):
        yield from _domain_faults(form, each, f"{path}.compatibility[{index}]", depth)


def _instruction_parts(domain: Mapping[str, Any], path: str, depth: int) -> Iterator[Violation]:
    for index, segment in enumerate(domain.get("segments") or ()):
        yield from _domain_faults(_Form(Segment, ("text",), ("mutable",)), segment, f"{path}.segments[{index}]", depth)


def _no_object(value: Any, path: str) -> Violation:
    return Violation(path, f"must be an object, not {shown(value)}", "WRONG_TYPE")


def _made(entry: Mapping[str, Json], kinds: tuple[str, ...], name: Json, described: Mapping[str, Json]) -> Any:
    """Return the variable of that name whose domain the entry has."""
    kind = next(kind for kind in kinds if kind in entry)
    domain = {key: value for key, value in entry[kind].items() if value is not None}
    default = entry.get("default")
    # A float's default stays as it is written: a double.
    default = default if kind == "float" else _plain(default)
    return _FORMS[kind].make(name, domain, {"default": default, **described})


def _float(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> FloatVariable:
    if "normal" in domain:
        domain["normal"] = Normal(**domain["normal"])
    return FloatVariable(name, **_without_zero_step(domain), **rest)


def _integer(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> IntegerVariable:
    return IntegerVariable(name, **{key: _whole(each) for key, each in _without_zero_step(domain).items()}, **rest)


def _choice(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> ChoiceVariable:
    lists: dict[str, Any] = {key: tuple(map(_plain, domain[key])) for key in ("choices", "weights") if key in domain}
    return ChoiceVariable(name, **{**domain, **lists}, **rest)


def _boolean(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> BooleanVariable:
    return BooleanVariable(name, **rest)


def _module(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> ModuleVariable:
    components = [_component(each) for each in domain.pop("components")]
    capabilities = tuple(domain.pop("capabilities", ()))
    return ModuleVariable(name, components=tuple(components), capabilities=capabilities, **domain, **rest)


def _component(entry: Mapping[str, Any]) -> Component:
    fits = [Compatibility(each["interface"], tuple(each["components"])) for each in entry.get("compatibility") or ()]
    return Component(entry["id"], tuple(entry.get("capabilities") or ()), tuple(fits))


def _instruction(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> InstructionVariable:
    segments = [Segment(each["text"], each.get("mutable") or False) for each in domain.pop("segments", ())]
    placeholders = tuple(domain.pop("placeholders", ()))
    return InstructionVariable(
        name, placeholders=placeholders, segments=tuple(segments), **_counted(domain, "token_limit"), **rest
    )


def _demo_set(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> DemoSetVariable:
    if domain.get("max_demonstrations") in (0, "0"):  # the proto's way of saying that there is none
        del domain["max_demonstrations"]
    counts = ("token_limit", "dataset_revision", "max_demonstrations")
    return DemoSetVariable(name, **_counted(domain, *counts), **rest)


def _counted(domain: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    return {key: _whole(value) if key in fields else value for key, value in domain.items()}


def _hybrid(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> HybridVariable:
    kinds = ("float", "integer")
    branches = [HybridBranch(_plain(each["choice"]), _made(each, kinds, "number", {})) for each in domain["branches"]]
    return HybridVariable(name, tuple(branches), **rest)


def _group(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> GroupVariable:
    return GroupVariable(name, tuple(variable_of(each) for each in domain["variables"]), **rest)


def _conditional(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> ConditionalVariable:
    branches: dict[str, Any] = {
        field: _made(domain[field], _SCALARS, name, {}) for field in ("then", "otherwise") if field in domain
    }
    return ConditionalVariable(name, domain["condition"], **branches, **rest)


def _computed(name: Json, domain: dict[str, Any], rest: Mapping[str, Any]) -> ComputedVariable:
    return ComputedVariable(name, domain["expression"], **rest)


_FORMS = {
    "float": _Form(_float, ("low", "high"), ("log", "step", "normal"), parts=_float_parts),
    "integer": _Form(_integer, ("low", "high"), ("log", "step", "power_of_two")),
    "choice": _Form(_choice, ("choices",), ("weights", "ordered", "allow_custom"), ("choices", "weights")),
    "boolean": _Form(_boolean),
    "module": _Form(
        _module, ("interface", "components"), ("capabilities",), ("components", "capabilities"), _module_parts
    ),
    "hybrid": _Form(_hybrid, ("branches",), (), ("branches",), _hybrid_parts),
    "group": _Form(_group, ("variables",), (), ("variables",), _group_parts),
    "conditional": _Form(_conditional, ("condition", "then"), ("otherwise",), parts=_conditional_parts),
    "computed": _Form(_computed, ("expression",)),
    "instruction": _Form(
        _instruction,
        ("slot",),
        ("token_limit", "mutable", "placeholders", "segments"),
        ("placeholders", "segments"),
        _instruction_parts,
    ),
    "demo_set": _Form(
        _demo_set, ("slot", "dataset_id", "dataset_revision"), ("token_limit", "mutable", "max_demonstrations")
    ),
}


def _without_zero_step(domain: dict[str, Any]) -> dict[str, Any]:
    """Return the domain without a step that is the proto's way of saying that there is none."""
    return {key: value for key, value in domain.items() if key != "step" or value not in (0, "0")}


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
