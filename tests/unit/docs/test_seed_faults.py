"""The page of the seed's faults: one row for each, and every test that it names is there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROWS = re.findall(r"^\| ([XP]-\w+) \|(.*)\|$", (ROOT / "docs" / "seed-faults.md").read_text(), re.MULTILINE)


@cache
def named_in(file: str) -> set[str]:
    """Returns the names of the tests of a file."""
    path = ROOT / file
    if not path.is_file():
        return set()
    found = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, found)}


def test_every_fault_has_one_row_in_its_order() -> None:
    assert [name for name, _ in ROWS if name.startswith("X-")] == [f"X-{number}" for number in range(1, 101)]


def test_every_row_of_the_seeds_programs_has_one_in_its_order() -> None:
    counts = {"A": 11, "R": 7, "X": 7, "C": 5, "G": 4, "V": 2, "POL": 5, "E": 5}
    wanted = [f"P-{kind}{number}" for kind, count in counts.items() for number in range(1, count + 1)]
    assert [name for name, _ in ROWS if name.startswith("P-")] == wanted


@pytest.mark.parametrize(("name", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_a_fault_names_tests_that_are_there_or_says_why_later(name: str, row: str) -> None:
    shown = row.rsplit("|", 1)[1].strip()
    if shown.startswith("later: "):
        assert len(shown) > 20
        return
    named = re.findall(r"`([^`]+)::(test_\w+)`", shown)
    assert named and shown == "<br>".join(f"`{file}::{test}`" for file, test in named)
    for file, test in named:
        assert test in named_in(file), f"{file} has no {test}"
