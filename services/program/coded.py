"""Which settings fit which kind of program: code, a template or a pipeline for theirs, a model for most."""

from collections.abc import Iterator

from ashgrove.custom import PROGRAMS, RETRIEVERS, TOOLS
from ashgrove.program.v1.document_pb2 import Pipeline
from ashgrove.program.v1.program_pb2 import Program, ProgramConfig

from framework.errors import FieldViolation
from services.program.code.contract import CodeFault
from services.program.code.registry import required
from services.program.documents.retrieving import BUILT_IN

_PATH = "program.program_config"
_ASKING = {Program.TYPE_PREDICT, Program.TYPE_CHAIN_OF_THOUGHT, Program.TYPE_TEMPLATE}
_MODEL = (_ASKING | {Program.TYPE_PIPELINE, Program.TYPE_REACT}, "programs that ask a model")
_SHOWING = (_ASKING, "programs that ask a model once")
_CODE = ({Program.TYPE_CUSTOM}, "custom programs")
_FOR = {
    "model": _MODEL,
    "temperature": _MODEL,
    "max_tokens": _MODEL,
    "top_p": _MODEL,
    "parse_attempts": _MODEL,
    "model_attempts": _MODEL,
    "retry_backoff_ms": _MODEL,
    "slots": _MODEL,
    "demonstration_count": _SHOWING,
    "demonstration_selection": _SHOWING,
    "demonstration_order": _SHOWING,
    "rule_count": _SHOWING,
    "entry_point": _CODE,
    "limits": _CODE,
    "template": ({Program.TYPE_TEMPLATE}, "templates"),
    "pipeline": ({Program.TYPE_PIPELINE}, "pipelines"),
    "react": ({Program.TYPE_REACT}, "programs with tools"),
}
"""The kinds that each setting is for, in words, too."""


def config_faults(new: Program, old: Program | None) -> Iterator[FieldViolation]:
    """Yields what is wrong with a program's settings; code that was registered once may be gone meanwhile."""
    given = {field.name for field, _ in new.program_config.ListFields()}
    for name, (kinds, words) in _FOR.items():
        if name in given and new.type not in kinds:
            yield FieldViolation(f"{_PATH}.{name}", f"is for {words} only")
    for name in ("template", "pipeline", "react"):
        if name not in given and new.type in _FOR[name][0]:
            yield FieldViolation(f"{_PATH}.{name}", "is required: it is what the program is made of")
    yield from _code_faults(new, old)


def _code_faults(new: Program, old: Program | None) -> Iterator[FieldViolation]:
    config, before = new.program_config, old.program_config if old else ProgramConfig()
    if new.type == Program.TYPE_CUSTOM and (old is None or before.entry_point != config.entry_point):
        yield from _entry_point_faults(config.entry_point, f"{_PATH}.entry_point")
    yield from _step_faults(config.pipeline, before.pipeline)
    used = {each.registered.entry_point for each in before.react.tools}
    for index, tool in enumerate(config.react.tools):
        if tool.HasField("registered") and tool.registered.entry_point not in used:
            path = f"{_PATH}.react.tools[{index}].registered.entry_point"
            yield from _entry_point_faults(tool.registered.entry_point, path, TOOLS)


def _step_faults(new: Pipeline, old: Pipeline) -> Iterator[FieldViolation]:
    used = {each.tool.entry_point for each in old.steps}
    looked = {"", *BUILT_IN, *(each.retriever.retriever for each in old.steps)}
    for index, step in enumerate(new.steps):
        path = f"{_PATH}.pipeline.steps[{index}]"
        if step.HasField("tool") and step.tool.entry_point not in used:
            yield from _entry_point_faults(step.tool.entry_point, f"{path}.tool.entry_point")
        if step.HasField("retriever") and step.retriever.retriever not in looked:
            yield from _entry_point_faults(step.retriever.retriever, f"{path}.retriever.retriever", RETRIEVERS)


def _entry_point_faults(name: str, path: str, group: str = PROGRAMS) -> Iterator[FieldViolation]:
    try:
        required(group, name)
    except CodeFault as fault:
        built_in = f"; built in are {', '.join(BUILT_IN)}" if group == RETRIEVERS else ""
        told = fault.message if name else f"is required: {fault.message.partition('; ')[2] or fault.message}"
        yield FieldViolation(path, f"{told}{built_in}")
