"""Signatures: from plain JSON to DSPy's class, never by way of a string that could import a module."""

from collections.abc import Mapping
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
