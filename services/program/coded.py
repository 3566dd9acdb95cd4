"""Which settings fit which kind of program: code for custom programs, a model for the others."""

from collections.abc import Iterator

from ashgrove.custom import PROGRAMS
from ashgrove.program.v1 import program_pb2

from framework.errors import FieldViolation
from services.program.code.contract import CodeFault
from services.program.code.registry import required

_PATH = "program.program_config"
_OF_MODELS = (
    "model",
    "temperature",
    "max_tokens",
    "top_p",
    "demonstration_count",
    "demonstration_selection",
    "demonstration_order",
    "rule_count",
)
_OF_CODE = ("entry_point", "limits")


def config_faults(new: program_pb2.Program, old: program_pb2.Program | None) -> Iterator[FieldViolation]:
    """Yields what is wrong with a program's settings; code that was registered once may be gone meanwhile."""
    custom = new.type == program_pb2.Program.TYPE_CUSTOM
    config = new.program_config
    given = {field.name for field, _ in config.ListFields()}
    for name in _OF_MODELS if custom else _OF_CODE:
        if name in given:
            kind = "programs that ask a model" if custom else "custom programs"
            yield FieldViolation(f"{_PATH}.{name}", f"is for {kind} only")
    if custom and (old is None or old.program_config.entry_point != config.entry_point):
        yield from _entry_point_faults(config.entry_point)


def _entry_point_faults(name: str) -> Iterator[FieldViolation]:
    try:
        required(PROGRAMS, name)
    except CodeFault as fault:
        yield FieldViolation(f"{_PATH}.entry_point", fault.message if name else f"is required; {fault.message}")
