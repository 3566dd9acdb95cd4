"""What an execution keeps, as its program says: what went in, what came out, what happened on the way.

What is not to be kept is held beside the row's public columns for as long as it takes: inputs until the execution has
run, outputs for a minute after, so that whoever asked can be told. The statement that stores the end is the one that
forgets the inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ashgrove.program.v1 import execution_pb2, program_pb2
from psycopg.types.json import Jsonb

from framework.resource import spec_of
from framework.storage import codec_of

HELD_COLUMNS = {"inputs_held": "jsonb", "outputs_held": "jsonb"}
"""What is held in passing, never shown but to whoever asked."""
FORGET = {"inputs_held": None}
"""What every end of an execution writes, whoever writes it."""
# Whose words are the platform's own; what else an error says may quote what went in or came out.
_OWN_WORDS = {
    *("TIMEOUT", "CPU_LIMIT", "MEMORY_LIMIT", "CRASH", "IMPORT", "UNREGISTERED", "INTERNAL"),
    *("AUTH", "RATE_LIMIT", "BUDGET", "CANCELLED"),
}
NOTHING_SAID: Mapping[str, int] = {}
UNTOLD = "what was said of it is not kept"


@dataclass(frozen=True)
class Keeping:
    """Which parts of an execution are kept at all."""

    inputs: bool = True
    outputs: bool = True
    steps: bool = True

    @property
    def values(self) -> bool:
        """Whether what steps and errors quote may be kept, and another execution answered from this one."""
        return self.inputs and self.outputs

    def given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the column that inputs rest in until the execution has run."""
        return {"inputs" if self.inputs else "inputs_held": Jsonb(dict(inputs))}

    def left(self, outputs: Mapping[str, Any] | None) -> dict[str, Any]:
        """Returns the columns that the end writes of what came out; whatever happened since, no inputs stay behind."""
        value = None if outputs is None else Jsonb(dict(outputs))
        kept = {"outputs": value} if self.outputs else {"outputs_held": value}
        return FORGET | kept | ({} if self.inputs else {"inputs": None})

    def words(self, error: str, error_class: str) -> str:
        """Returns what may be kept of an error's words."""
        return error if self.values or not error or error_class in _OWN_WORDS else UNTOLD


def keeping_of(program: program_pb2.Program, organization: Mapping[str, int] = NOTHING_SAID) -> Keeping:
    """Returns what executions of a program keep, as it says now, and its organization where it says nothing."""
    said = {**organization, **_said(program)}
    return Keeping(*(said.get(name) != 0 for name in ("inputs_days", "outputs_days", "steps_days")))


def with_retention(program: program_pb2.Program, organization: Mapping[str, int]) -> program_pb2.Program:
    """Returns a program that says itself what its organization says where it says nothing."""
    told = program_pb2.Program()
    told.CopyFrom(program)
    for name in organization.keys() - _said(program).keys():
        setattr(told.execution_retention, name, organization[name])
    return told


def _said(program: program_pb2.Program) -> dict[str, int]:
    return {field.name: days for field, days in program.execution_retention.ListFields()}


def inputs_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what an execution runs on, wherever it rests."""
    return dict(row["inputs_held"] if row["inputs"] is None else row["inputs"])


def shown_to_asker(row: Mapping[str, Any]) -> execution_pb2.Execution:
    """Returns an execution as whoever asked for it is told of it, with outputs that are only held."""
    from services.program.resources.execution import Execution  # whose row this is

    held = {"outputs": row["outputs_held"]} if row["outputs"] is None else {}
    shown: execution_pb2.Execution = codec_of(spec_of(Execution)).message({**row, **held})
    return shown
