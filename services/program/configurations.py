"""Configurations: the values of a program's parameters, judged where a caller hands them in."""

from collections.abc import Mapping

from ashgrove.program.v1 import program_pb2

from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation, InvalidFields
from services.program.lm.parameters import Refused, parameters


def refuse_faults(kind: program_pb2.Program.Type.ValueType, configuration: Mapping[str, Json]) -> dict[str, Json]:
    """Returns a configuration normalised; raises InvalidFields naming every value that no program can run with.

    What the parameters of a custom program may be is its code's to say.
    """
    try:
        plain: dict[str, Json] = normalise(dict(configuration), "configuration")
        if kind != program_pb2.Program.TYPE_CUSTOM:
            parameters({}, plain)
    except Invalid as invalid:
        raise InvalidFields(*(FieldViolation(v.path, v.message) for v in invalid.violations)) from None
    except Refused as refused:
        raise InvalidFields(*(FieldViolation(path, message) for path, message in refused.violations)) from None
    return plain
