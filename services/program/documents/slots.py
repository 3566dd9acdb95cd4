"""Slots: where a program says something to a model, by stable names, and what is shown there."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ashgrove.program.v1 import document_pb2
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.signature_pb2 import SignatureConfig, SignatureField

from domain.values import normalise
from framework.errors import FieldViolation
from framework.structs import values_of
from services.program import shapes
from services.program.lm.signature import REASONING

MAIN = "main"
"""The slot of a program that is no pipeline; its instructions are its signature's."""

_PATH = "program.program_config.slots"
PROMPTED = (Program.TYPE_PREDICT, Program.TYPE_CHAIN_OF_THOUGHT, Program.TYPE_TEMPLATE)
"""The kinds that have the slot `main`."""


def slots_of(
    program: Program, inputs: Mapping[str, Iterable[SignatureField]]
) -> dict[str, tuple[SignatureConfig, bool]]:
    """Returns the slots that a program has: what each takes and gives, and whether it reasons.

    `inputs` are those of a pipeline's template steps.
    """
    if program.type in PROMPTED:
        return {MAIN: (program.signature_config, program.type == Program.TYPE_CHAIN_OF_THOUGHT)}
    found: dict[str, tuple[SignatureConfig, bool]] = {}
    for step in program.program_config.pipeline.steps:
        if step.HasField("template"):
            found[step.name] = (SignatureConfig(inputs=inputs[step.name], outputs=step.template.outputs), False)
        elif step.HasField("program") and Program.Type.Value(step.program.type) in PROMPTED:
            found[step.name] = (step.program.signature_config, step.program.type == "TYPE_CHAIN_OF_THOUGHT")
    return found


def slot_faults(program: Program, inputs: Mapping[str, Iterable[SignatureField]]) -> Iterator[FieldViolation]:
    """Yields what is wrong with what a program says at its slots."""
    known, seen = slots_of(program, inputs), set()
    for index, slot in enumerate(program.program_config.slots):
        path = f"{_PATH}[{index}]"
        if slot.name not in known or slot.name in seen:
            there = ", ".join(known) or "none"
            why = "is there twice" if slot.name in seen else f"is no slot of this program; there are {there}"
            yield FieldViolation(f"{path}.name", f"{slot.name} {why}")
            continue
        seen.add(slot.name)
        if slot.name == MAIN and slot.instructions and program.type in PROMPTED:
            yield FieldViolation(f"{path}.instructions", "belong into program.signature_config.instructions")
        signature, reasons = known[slot.name]
        for number, shown in enumerate(slot.demonstrations):
            yield from _demonstration_faults(shown, signature, reasons, f"{path}.demonstrations[{number}]")


def demonstrations_of(slot: document_pb2.Slot) -> list[dict[str, Any]]:
    """Returns what a slot shows, in the words of a configuration."""
    return [
        {
            "inputs": normalise(values_of(each.inputs)),
            "outputs": normalise(values_of(each.outputs)),
            "example_id": each.example_id,
        }
        for each in slot.demonstrations
    ]


def slot_named(program: Program, name: str) -> document_pb2.Slot:
    """Returns what a program says at a slot; nothing where it says nothing."""
    return next((each for each in program.program_config.slots if each.name == name), document_pb2.Slot(name=name))


def say(program: Program, slot: document_pb2.Slot) -> None:
    """Puts what a pipeline says at a step's slot in the place of what the step's program says by itself."""
    if slot.instructions:
        program.signature_config.instructions = slot.instructions
    if slot.demonstrations:
        others = [each for each in program.program_config.slots if each.name != MAIN]
        program.program_config.ClearField("slots")
        shown = document_pb2.Slot(name=MAIN, demonstrations=slot.demonstrations)
        program.program_config.slots.extend([*others, shown])


def _demonstration_faults(
    shown: document_pb2.Demonstration, signature: SignatureConfig, reasons: bool, path: str
) -> Iterator[FieldViolation]:
    yield from shapes.value_faults(signature.inputs, values_of(shown.inputs), f"{path}.inputs")
    outputs = values_of(shown.outputs)
    if reasons and REASONING not in {each.name for each in signature.outputs}:
        # What the kind adds may be shown, and need not.
        reasoning = outputs.pop(REASONING, "")
        if not isinstance(reasoning, str):
            yield FieldViolation(f"{path}.outputs.{REASONING}", "must be text")
    yield from shapes.value_faults(signature.outputs, outputs, f"{path}.outputs")
