"""The page on variable spaces: every example on it is sound, and judged as it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ashgrove.variables.v1 import variable_space_pb2 as pb
from google.protobuf.json_format import ParseDict

from domain.sampling import random_configurations
from domain.space import Space
from domain.values import Invalid
from services.variables.spaces import size_of, space_of

PAGE = Path(__file__).parents[3] / "docs" / "variables.md"


def examples() -> list[tuple[Space, list[dict[str, Any]]]]:
    """Return each space of the page with what the page says of values."""
    found: list[tuple[Space, list[dict[str, Any]]]] = []
    for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL):
        read = json.loads(block)
        if "variables" in read:
            found.append((space_of(ParseDict(read, pb.VariableSpace())), []))
        else:
            found[-1][1].append(read)
    return found


@pytest.mark.parametrize(("space", "told"), examples())
def test_an_example_is_judged_as_the_page_says(space: Space, told: list[dict[str, Any]]) -> None:
    """Normalised values, or exactly these violations; and what is drawn is valid."""
    for said in told:
        try:
            assert space.validate(said["values"]) == said["normalized_values"]
        except Invalid as refusal:
            assert {each.path for each in refusal.violations} == set(said["violations"])
            assert [each.constraint for each in refusal.violations if each.constraint] == said.get("constraints", [])
    assert all(space.validate(each) for each in random_configurations(space, 20, 1))


def test_the_page_counts_its_conditional_space_right() -> None:
    """Branches are summed."""
    assert size_of(examples()[1][0]).discrete_cardinality == "16"
    assert len(examples()) == 5
