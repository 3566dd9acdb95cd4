"""Signatures: from plain JSON to DSPy's class, never by way of a string that could import a module."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

_NAMES = {"TYPE_UNSPECIFIED": "string"}
_PYTHON: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "string_list": list[str],
}


def type_of(field: Mapping[str, Any]) -> str:
    """Returns a field's type in lower case, `string` when it names none; enum names of the proto fit too."""
    given = str(field.get("type") or "string")
    return _NAMES.get(given, given.removeprefix("TYPE_").lower())


def dspy_signature(signature: Mapping[str, Any], instructions: str) -> Any:
    """Returns a signature as DSPy's class, with these instructions."""
    import dspy
    from dspy.signatures.signature import make_signature

    fields: dict[str, Any] = {}
    for field in signature["inputs"]:
        fields[field["name"]] = (_python_type(field), dspy.InputField(desc=field.get("description", "")))
    for field in signature["outputs"]:
        fields[field["name"]] = (_python_type(field), dspy.OutputField(desc=field.get("description", "")))
    return make_signature(fields, instructions=instructions or None, signature_name="Program")


def _python_type(field: Mapping[str, Any]) -> Any:
    choices = field.get("choices")
    return Literal[tuple(choices)] if choices else _PYTHON[type_of(field)]


def check_example(
    signature: Mapping[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None
) -> list[tuple[str, str]]:
    """Returns every way in which values miss the signature, each with its path, such as `inputs.text`."""
    found = list(_violations("inputs", signature["inputs"], inputs))
    if outputs is not None:
        found += _violations("outputs", signature["outputs"], outputs)
    return found


def _violations(side: str, fields: list[Mapping[str, Any]], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    names = {f["name"] for f in fields}
    for name in sorted(values.keys() - names):
        yield f"{side}.{name}", f"is no field of the signature; there are {', '.join(sorted(names))}"
    for field in fields:
        path = f"{side}.{field['name']}"
        if field["name"] not in values:
            yield path, "is required by the signature"
        else:
            fault = _fault(field, values[field["name"]])
            if fault:
                yield path, fault


def _fault(field: Mapping[str, Any], value: Any) -> str:
    kind = type_of(field)
    if not _is(kind, value):
        return f"must be of type {kind}"
    choices = field.get("choices")
    if choices and value not in choices:
        return f"must be one of {', '.join(choices[:20])}{' …' if len(choices) > 20 else ''}"
    return ""


def _is(kind: str, value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string_list":
        return isinstance(value, list) and all(isinstance(v, str) for v in value)
    return number and (kind == "number" or float(value).is_integer())
