"""The page of bad input: every row says an answer, and every test that it names is there."""

import re
from pathlib import Path

import pytest

from tests.unit.docs.test_seed_faults import named_in

PAGE = Path(__file__).parents[3] / "docs" / "bad-input.md"
ROWS = re.findall(r"^\| (?!bad input|---)(.+?) \| (.+?) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)


def test_the_page_has_a_row_for_all_that_its_tables_list() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "bad input |" not in line]
    assert len(ROWS) == len(lines) == len({bad for bad, *_ in ROWS}) > 25


@pytest.mark.parametrize(("bad", "answer", "shown"), ROWS, ids=[bad for bad, *_ in ROWS])
def test_bad_input_has_an_answer_and_tests_that_are_there(bad: str, answer: str, shown: str) -> None:
    named = re.findall(r"`([^`]+)::(test_\w+)`", shown)
    assert answer and named and shown == "<br>".join(f"`{file}::{test}`" for file, test in named)
    for file, test in named:
        assert test in named_in(file), f"{file} has no {test}"
