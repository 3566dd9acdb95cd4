"""Shapes: which fields there are, what each may hold, and what is wrong with values that should have the shape."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from ashgrove.program.v1 import signature_pb2 as pb

from domain.signatures import declaring
from domain.signatures.compatibility import misfits
from domain.signatures.filling import upcast
from domain.signatures.kinds import WORDS
from domain.values import Json, Violation
from framework.errors import FieldViolation, InvalidFields
from framework.patterns import pattern_fault
from services.program.lm.parameters import Parameters
from services.program.schemas.checking import Checker, checker_of
from services.program.schemas.declared import field_from


def declared_faults(fields: Sequence[tuple[str, pb.SignatureField]]) -> Iterator[FieldViolation]:
    """Yields what is wrong with declared fields, given with their paths, their defaults included."""
    plain = [(path, field_from(field)) for path, field in fields]
    known = Parameters.model_fields
    faults = list(declaring.declared_faults(plain, pattern_fault=pattern_fault, taken=known))
    yield from map(_told, faults)
    if not faults:
        for path, field in plain:
            for place, default, inner in declaring.defaults(field, path):
                found = Checker([inner]).check({inner.name: default}, place)
                yield from (FieldViolation(place, each.message) for each in found.violations)


def at(path: str, fields: Iterable[pb.SignatureField]) -> list[tuple[str, pb.SignatureField]]:
    """Returns fields with their paths."""
    return [(f"{path}[{i}]", field) for i, field in enumerate(fields)]


def value_faults(
    fields: Iterable[pb.SignatureField], values: Mapping[str, Json], path: str
) -> Iterator[FieldViolation]:
    """Yields what is wrong with values for these fields: missing, unknown, of another type, unstorable."""
    return map(_told, checker_of(fields).check(values, path).violations)


def fitted(fields: Iterable[pb.SignatureField], values: Mapping[str, Json], path: str) -> dict[str, Json]:
    """Returns values as they are kept, defaults filled in; raises InvalidFields with everything that is wrong."""
    checked = checker_of(fields).check(values, path)
    if checked.violations:
        raise InvalidFields(*map(_told, checked.violations))
    return checked.values


def reading_as(fields: Iterable[pb.SignatureField]) -> Callable[[Mapping[str, Json]], dict[str, Json]]:
    """Returns what reads stored values as these fields have them now, whatever fields they were written with."""
    return partial(upcast, checker_of(fields).fields)


def fit(program: pb.SignatureConfig, inputs: Iterable[pb.SignatureField], outputs: Iterable[pb.SignatureField]) -> None:
    """Raises InvalidFields unless a dataset has every field that a signature needs, of a type that it takes."""
    faults = [*_misfits(program.inputs, inputs, "input"), *_misfits(program.outputs, outputs, "output")]
    if faults:
        raise InvalidFields(*faults)


def _misfits(
    wanted: Iterable[pb.SignatureField], held: Iterable[pb.SignatureField], side: str
) -> Iterator[FieldViolation]:
    there = {field.name: field_from(field) for field in held}
    for field in map(field_from, wanted):
        if field.name not in there:
            if not field.may_be_left_out:
                message = f"the dataset has no {side} field {field.name}, which the program needs"
                yield FieldViolation("dataset_id", message)
        # Bounds are judged value by value: an example that breaks one fails, and the others run.
        elif any(each.of_type for each in misfits(field, there[field.name], field.name)):
            has, needs = WORDS[there[field.name].kind], WORDS[field.kind]
            yield FieldViolation("dataset_id", f"the dataset's {side} field {field.name} is {has}; needed is {needs}")


def _told(violation: Violation) -> FieldViolation:
    return FieldViolation(violation.path, violation.message)
