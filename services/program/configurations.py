"""Configurations: the values of a program's parameters and tuned inputs, judged where a caller hands them in."""

from collections.abc import Mapping

from ashgrove.program.v1 import program_pb2, signature_pb2

from domain.values import Invalid, Json, normalise
from framework.errors import FieldViolation, InvalidFields
from services.program import shapes
from services.program.lm.parameters import Refused, parameters


def refuse_faults(program: program_pb2.Program, configuration: Mapping[str, Json]) -> dict[str, Json]:
    """Returns a configuration normalised; raises InvalidFields naming every value that the program cannot run with.

    What the parameters of a custom program may be is its code's to say.
    """
    try:
        plain: dict[str, Json] = normalise(dict(configuration), "configuration")
        if program.type != program_pb2.Program.TYPE_CUSTOM:
            inputs, others = tuned(program.signature_config, plain)
            fields = [field for field in program.signature_config.inputs if field.name in inputs]
            if faults := list(shapes.value_faults(fields, inputs, "configuration")):
                raise InvalidFields(*faults)
            parameters({}, others)
    except Invalid as invalid:
        raise InvalidFields(*(FieldViolation(v.path, v.message) for v in invalid.violations)) from None
    except Refused as refused:
        raise InvalidFields(*(FieldViolation(path, message) for path, message in refused.violations)) from None
    return plain


def tuned(
    signature: signature_pb2.SignatureConfig, configuration: Mapping[str, Json]
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Returns what a configuration says of inputs marked variable, and what of anything else."""
    names = {field.name for field in signature.inputs if field.variable}
    inputs = {name: value for name, value in configuration.items() if name in names}
    return inputs, {name: value for name, value in configuration.items() if name not in names}
