"""Signatures: from plain JSON to DSPy's class, never by way of a string that could import a module."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from domain.signatures.field import field_of
from services.program.schemas.models import loose_type

REASONING = "reasoning"
"""The output that a chain of thought gives beside the declared ones, unless the author declares it."""
DECLARED = "ashgrove"
"""What a field of DSPy keeps its place and its declaration under."""

# What DSPy's Predict takes for itself among a call's keyword arguments, and the marker that ends every answer.
_TAKEN = {"self", "args", "kwargs", "instance", "signature", "new_signature", "demos", "config", "lm", "prediction"}
_TAKEN |= {"trace", "completed"}
# What a loop with tools adds to every thought.
_TAKEN |= {"trajectory", "next_thought", "next_tool_name", "next_tool_args"}


@cache
def _reserved() -> frozenset[str]:
    import dspy  # heavy, and the API writes programs down without it

    attributes = {*dir(type(dspy.Signature)), *dir(dspy.Signature), *dir(dspy.Example), *dir(dspy.Prediction)}
    return frozenset(attributes | _TAKEN)


def inner_name(name: str) -> str:
    """Returns a field's name inside DSPy: its own, or in capitals where DSPy or pydantic would take it for theirs.

    Public names are lower-case, so capitals clash with none of them; and nobody's input can pose as an argument of
    Predict, among them `signature`, whose text would be parsed and imported from.
    """
    return name.upper() if name in _reserved() else name


def input_name(name: str) -> str:
    """Returns an input's name inside DSPy; `reasoning` is the name of an output that ChainOfThought adds."""
    return name.upper() if name == REASONING else inner_name(name)


def dspy_signature(signature: Mapping[str, Any], instructions: str) -> Any:
    """Returns a signature as DSPy's class, with these instructions."""
    import dspy  # heavy, and the API writes programs down without it
    from dspy.signatures.signature import make_signature

    fields: dict[str, Any] = {}
    for place, field in enumerate(signature["inputs"]):
        fields[input_name(field["name"])] = (_python_type(field), _said(dspy.InputField, field, place))
    for place, field in enumerate(signature["outputs"]):
        fields[inner_name(field["name"])] = (_python_type(field), _said(dspy.OutputField, field, place))
    return make_signature(fields, instructions=instructions or None, signature_name="Program")


def chain_of_thought(signature: Any) -> Any:
    """Returns DSPy's ChainOfThought over a signature; a `reasoning` that is declared stays as declared, but first."""
    import dspy  # heavy, and the API writes programs down without it

    declared = signature.output_fields.get(REASONING)
    return dspy.ChainOfThought(signature.delete(REASONING) if declared else signature, rationale_field=declared)


def _python_type(field: Mapping[str, Any]) -> Any:
    return loose_type(field_of(field))


def _said(make: Any, field: Mapping[str, Any], place: int) -> Any:
    """Returns DSPy's field, which remembers what was declared, and where: types say less, and names may be others."""
    made = make(desc=field.get("description", ""))
    made.json_schema_extra[DECLARED] = (place, dict(field))
    return made
