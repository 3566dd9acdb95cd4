"""The places in a program document that values are put into: a setting, a slot, a step of a pipeline."""

from dataclasses import dataclass
from typing import Any

from ashgrove.program.v1 import document_pb2, program_pb2
from google.protobuf.json_format import ParseDict

from domain.values import Json, normalise
from framework.structs import values_of

MAIN = "main"
"""The slot whose instructions the signature of a program holds."""

INSTRUCTIONS = "signature_config.instructions"
Program = program_pb2.Program
_PROMPTED = (Program.TYPE_PREDICT, Program.TYPE_CHAIN_OF_THOUGHT, Program.TYPE_TEMPLATE)
_PROMPTED_STEPS = {Program.Type.Name(each) for each in _PROMPTED}


@dataclass(frozen=True)
class Placed:
    """A variable's value at its place, such as `program_config.temperature`."""

    variable: str
    field: str
    value: Json

    def put(self, program: Program) -> Json:
        """Sets the field and returns what it held before, None for nothing."""
        holder, name = self.field.split(".")
        config = getattr(program, holder)
        before = getattr(config, name) if _is_set(config, name) else None
        setattr(config, name, self.value)
        return before

    def path(self, program: Program) -> str:
        """Returns the place as the program service calls it."""
        return self.field


@dataclass(frozen=True)
class AtSlot(Placed):
    """A value that a slot says: `instructions` or `demonstrations`; `field` names it by the slot."""

    slot: str
    part: str

    def put(self, program: Program) -> Json:
        """Sets what the slot says and returns what it said before, None for nothing."""
        slot = _slot(program, self.slot)
        if self.part == "instructions":
            before, slot.instructions = slot.instructions or None, str(self.value)
            return before
        shown = [_plain(each) for each in slot.demonstrations] or None
        slot.ClearField("demonstrations")
        slot.demonstrations.extend(ParseDict(each, document_pb2.Demonstration()) for each in self.value)
        if not slot.instructions and not slot.demonstrations:
            program.program_config.slots.remove(slot)
        return shown

    def path(self, program: Program) -> str:
        """Returns the place as the program service calls it, by the slot's number."""
        names = [each.name for each in program.program_config.slots]
        return f"program_config.slots[{names.index(self.slot)}].{self.part}" if self.slot in names else self.field


@dataclass(frozen=True)
class AtStep(Placed):
    """A number that a step of a pipeline holds: `k` or `timeout_ms`."""

    step: str
    part: str

    def put(self, program: Program) -> Json:
        """Sets it and returns what it was before, None for nothing."""
        step = next(each for each in program.program_config.pipeline.steps if each.name == self.step)
        holder: Any = step.retriever if self.part == "k" else step
        before = getattr(holder, self.part) if holder.HasField(self.part) else None
        setattr(holder, self.part, self.value)
        return before

    def path(self, program: Program) -> str:
        """Returns the place as the program service calls it, by the step's number."""
        names = [each.name for each in program.program_config.pipeline.steps]
        part = "retriever.k" if self.part == "k" else self.part
        return f"program_config.pipeline.steps[{names.index(self.step)}].{part}"


def at_slot(variable: str, slot: str, part: str, value: Json) -> Placed:
    """Returns a value at a slot; the instructions of `main` are the signature's."""
    if (slot, part) == (MAIN, "instructions"):
        return Placed(variable, INSTRUCTIONS, value)
    return AtSlot(variable, f"program_config.slots.{slot}.{part}", value, slot, part)


def slots_of(program: Program) -> frozenset[str]:
    """Returns the slots that a program's document has: `main`, or of a pipeline the steps that ask a model."""
    if program.type in _PROMPTED:
        return frozenset({MAIN})
    steps = program.program_config.pipeline.steps
    return frozenset(each.name for each in steps if each.HasField("template") or each.program.type in _PROMPTED_STEPS)


def parts_of(program: Program, step: str) -> frozenset[str]:
    """Returns which numbers a step of a program holds; none where there is no such step."""
    found = next((each for each in program.program_config.pipeline.steps if each.name == step), None)
    if found is None:
        return frozenset()
    return frozenset({"timeout_ms", "k"} if found.HasField("retriever") else {"timeout_ms"})


def _slot(program: Program, name: str) -> document_pb2.Slot:
    for each in program.program_config.slots:
        if each.name == name:
            return each
    return program.program_config.slots.add(name=name)


def _plain(shown: document_pb2.Demonstration) -> dict[str, Json]:
    named = {"example_id": shown.example_id} if shown.example_id else {}
    return {"inputs": normalise(values_of(shown.inputs)), "outputs": normalise(values_of(shown.outputs)), **named}


def _is_set(config: Any, name: str) -> bool:
    field = config.DESCRIPTOR.fields_by_name[name]
    return bool(config.HasField(name) if field.has_presence else getattr(config, name))
