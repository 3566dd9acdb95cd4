"""Which prompt variables a run can put into its program."""

import pytest
from ashgrove.program.v1.program_pb2 import Program
from ashgrove.variables.v1.variable_space_pb2 import VariableSpace
from google.protobuf.json_format import ParseDict

from domain.space import Space
from services.optimizer.prompts import parameters, prompt_faults

INSTRUCTION = {"name": "prompt", "instruction": {"slot": "main"}}
SHOWN = {"slot": "main", "dataset_id": "01970000-0000-7000-8000-00000000000a", "dataset_revision": 1}


@pytest.mark.parametrize(
    ("kind", "variable", "refused"),
    [
        (Program.TYPE_PREDICT, INSTRUCTION, False),
        (Program.TYPE_CUSTOM, INSTRUCTION, True),
        (Program.TYPE_CUSTOM, {"name": "prompt", "instruction": {"slot": "critic"}}, False),
        (Program.TYPE_CHAIN_OF_THOUGHT, {"name": "shown", "demo_set": SHOWN}, False),
        (Program.TYPE_CUSTOM, {"name": "shown", "demo_set": SHOWN}, True),
        (Program.TYPE_PREDICT, {"name": "heat", "float": {"low": 0, "high": 1}}, False),
    ],
)
def test_what_has_no_place_in_a_program_is_named(
    kind: Program.Type.ValueType, variable: dict[str, object], refused: bool
) -> None:
    """Slots that the program lacks are inactive, and no hindrance."""
    space = ParseDict({"variables": [variable]}, VariableSpace())
    faults = [each.message for each in prompt_faults(space, Program(type=kind))]
    assert [str(variable["name"]) in each for each in faults] == ([True] if refused else [])


def test_unchanged_says_nothing_to_the_program() -> None:
    """What is not a prompt stays as it is."""
    space = Space.from_json([INSTRUCTION, {"name": "heat", "float": {"low": 0, "high": 1}}])
    assert parameters(space, {"prompt": "unchanged", "heat": 0.5}) == {"heat": 0.5}
