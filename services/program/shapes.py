"""Shapes: which fields there are, what each may hold, and what is wrong with values that should have the shape."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ashgrove.program.v1 import program_pb2 as pb

from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation, InvalidFields
from services.program.lm.parameters import Parameters

Field = pb.SignatureField
_WORDS = {
    Field.TYPE_UNSPECIFIED: "text",
    Field.TYPE_STRING: "text",
    Field.TYPE_INTEGER: "a whole number",
    Field.TYPE_NUMBER: "a finite number",
    Field.TYPE_BOOLEAN: "true or false",
    Field.TYPE_STRING_LIST: "a list of texts",
}


def declared_faults(fields: Sequence[tuple[str, pb.SignatureField]]) -> Iterator[FieldViolation]:
    """Yields what is wrong with declared fields, given with their paths: names used twice, choices of no text."""
    counts = Counter(field.name for _, field in fields)
    for path, field in fields:
        if not field.name:
            yield FieldViolation(f"{path}.name", "a field needs a name")
        elif counts[field.name] > 1:
            yield FieldViolation(f"{path}.name", f"{field.name} is declared more than once")
        if field.choices and field.type not in (Field.TYPE_UNSPECIFIED, Field.TYPE_STRING):
            yield FieldViolation(f"{path}.choices", "only a text field may have choices")
        if field.variable:
            yield from _variable_faults(path, field)


def _variable_faults(path: str, field: pb.SignatureField) -> Iterator[FieldViolation]:
    if ".outputs[" in f".{path}" or "output_fields[" in path:
        yield FieldViolation(f"{path}.variable", "only an input can be tuned")
    elif field.name in Parameters.model_fields:
        yield FieldViolation(f"{path}.name", f"{field.name} is a parameter of the model already; call it otherwise")
    elif field.type == Field.TYPE_STRING_LIST or (_kind(field) == Field.TYPE_STRING and not field.choices):
        yield FieldViolation(
            f"{path}.variable", "a number, true or false, or one of choices can be tuned, no free text"
        )


def at(path: str, fields: Iterable[pb.SignatureField]) -> list[tuple[str, pb.SignatureField]]:
    """Returns fields with their paths."""
    return [(f"{path}[{i}]", field) for i, field in enumerate(fields)]


def value_faults(
    fields: Iterable[pb.SignatureField], values: Mapping[str, Json], path: str
) -> Iterator[FieldViolation]:
    """Yields what is wrong with values for these fields: missing, unknown, of another type, unstorable."""
    known = {field.name: field for field in fields}
    for name in known.keys() - values.keys():
        yield FieldViolation(f"{path}.{name}", f"is missing; it must be {_WORDS[known[name].type]}")
    for name in values.keys() - known.keys():
        yield FieldViolation(f"{path}.{name[:80]}", f"is no field here; there are {', '.join(known)}")
    for name in known.keys() & values.keys():
        yield from _value_faults(known[name], values[name], f"{path}.{name}")


def _value_faults(field: pb.SignatureField, value: Json, path: str) -> Iterator[FieldViolation]:
    try:
        plain = normalise(value, path)
    except Invalid as invalid:
        yield from (FieldViolation(v.path, v.message) for v in invalid.violations)
        return
    if not _fits(field.type, plain):
        yield FieldViolation(path, f"must be {_WORDS[field.type]}")
    elif field.choices and plain not in field.choices:
        yield FieldViolation(path, "must be one of the field's choices")


def _fits(kind: int, value: Json) -> bool:
    if kind == Field.TYPE_BOOLEAN:
        return isinstance(value, bool)
    if kind == Field.TYPE_INTEGER:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == Field.TYPE_NUMBER:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == Field.TYPE_STRING_LIST:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    return isinstance(value, str)


def fit(program: pb.SignatureConfig, inputs: Iterable[pb.SignatureField], outputs: Iterable[pb.SignatureField]) -> None:
    """Raises InvalidFields unless a dataset has every field of a signature, of the same type."""
    faults = [*_misfits(program.inputs, inputs, "input"), *_misfits(program.outputs, outputs, "output")]
    if faults:
        raise InvalidFields(*faults)


def _misfits(
    wanted: Iterable[pb.SignatureField], held: Iterable[pb.SignatureField], side: str
) -> Iterator[FieldViolation]:
    there = {field.name: field for field in held}
    for field in wanted:
        if field.name not in there:
            yield FieldViolation("dataset_id", f"the dataset has no {side} field {field.name}, which the program needs")
        elif _kind(field) != _kind(there[field.name]):
            has, needs = _WORDS[there[field.name].type], _WORDS[field.type]
            yield FieldViolation("dataset_id", f"the dataset's {side} field {field.name} is {has}; needed is {needs}")


def _kind(field: pb.SignatureField) -> int:
    return field.type or Field.TYPE_STRING
