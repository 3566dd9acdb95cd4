"""What is proposed for a program is a sound space, whatever its fields and steps are called and bounded by."""

from typing import Any

import pytest
from ashgrove.program.v1.dataset_pb2 import Dataset
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.program.v1.signature_pb2 import SignatureField
from ashgrove.variables.v1 import variable_space_pb2 as pb

from domain.space import Space
from services.variables.proposing import proposed
from services.variables.spaces import space_of

DATASET = Dataset(id="01890a5d-ac96-774b-bcce-b302099a8057", revision=1)


def space(program: Program, **more: Any) -> Space:
    """Returns what is proposed, which is refused where it is no space."""
    return space_of(pb.VariableSpace(variables=proposed(program, [], **more)))


@pytest.mark.parametrize(
    ("kind", "bounds", "found"),
    [
        (SignatureField.TYPE_INTEGER, {"minimum": 1e300}, None),
        (SignatureField.TYPE_INTEGER, {"minimum": -1e300, "maximum": 3.5}, (1 - 2**53, 3)),
        (SignatureField.TYPE_INTEGER, {"minimum": 0.2, "maximum": 0.8}, None),
        (SignatureField.TYPE_INTEGER, {"minimum": 7}, (7, 107)),
        (SignatureField.TYPE_NUMBER, {"minimum": -1.7e308, "maximum": 1.7e308}, None),
        (SignatureField.TYPE_NUMBER, {"maximum": -5}, (-5, -5)),
        (SignatureField.TYPE_PROBABILITY, {"minimum": 1}, (1, 1)),
    ],
)
def test_bounds_that_no_space_can_hold_are_not_proposed(kind: Any, bounds: dict[str, float], found: Any) -> None:
    """Others are, as far as a space can hold them."""
    program = Program(type=Program.TYPE_PREDICT)
    field = program.signature_config.inputs.add(name="x", type=kind, variable=True)
    for name, value in bounds.items():
        setattr(field.constraints, name, value)
    made = {each.name: each for each in space(program).variables}
    assert ("x" in made) == (found is not None)
    if found is not None:
        assert (made["x"].low, made["x"].high) == found  # type: ignore[union-attr]


def test_every_slot_and_step_is_proposed_under_a_name_of_its_own() -> None:
    """Slots that are alike in all letters that a name has room for, and steps called as slots are proposed."""
    program = Program(type=Program.TYPE_PIPELINE)
    program.signature_config.inputs.add(name="look", type=SignatureField.TYPE_BOOLEAN, variable=True)
    steps = program.program_config.pipeline.steps
    for name in ("look", "instruction"):
        steps.add(name=name).retriever.SetInParent()
    for name in ("main", "a" * 60 + "x", "a" * 60 + "y"):
        steps.add(name=name).template.SetInParent()
    made = space(program, slots=True, dataset=DATASET)
    assert made.names[:3] == ("look", "instruction", f"instruction_{'a' * 51}")
    assert [each.kind for each in made.variables[:2]] == ["boolean", "group"]
    assert sorted(each.slot for each in made.prompts) == sorted(2 * ["main", "a" * 60 + "x", "a" * 60 + "y"])
