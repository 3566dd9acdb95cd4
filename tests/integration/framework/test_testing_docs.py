"""The guide to the test kit says what is so: its tests run."""

import re
from pathlib import Path
from typing import Any

import pytest

from framework.testing.suite.choosing import chosen

SUITE = re.compile(r"```python suite\n(.*?)```", re.DOTALL)
GUIDE = Path(__file__).parents[3] / "docs" / "testing.md"
(_CODE,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
TESTS: dict[str, Any] = {}
exec(compile(_CODE, str(GUIDE), "exec"), TESTS)  # noqa: S102 - it is ours


@pytest.mark.parametrize("name", [name for name in TESTS if name.startswith("test_")])
async def test_the_guides_tests_pass(name: str, postgres_url: str) -> None:
    """As they stand there."""
    await TESTS[name](postgres_url)


def test_the_suite_finds_the_guides_subjects() -> None:
    """Every rule that its module imports runs over some of them."""
    module: dict[str, Any] = {}
    exec(compile(SUITE.findall(GUIDE.read_text())[0], str(GUIDE), "exec"), module)  # noqa: S102 - it is ours
    rules = [rule for name, rule in module.items() if name.startswith("test_")]
    found = {rule.__name__: [str(pair) for pair in chosen(rule, module["SUBJECTS"]) or ()] for rule in rules}
    assert len(rules) > 40 and all(found.values())
    assert "variables.VariablePreset" in found["test_what_is_created_is_what_is_read"]
