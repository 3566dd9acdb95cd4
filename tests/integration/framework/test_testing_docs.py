"""The guide to the test kit says what is so: its tests run."""

import re
from pathlib import Path
from typing import Any

import pytest

GUIDE = Path(__file__).parents[3] / "docs" / "testing.md"
(_CODE,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
TESTS: dict[str, Any] = {}
exec(compile(_CODE, str(GUIDE), "exec"), TESTS)  # noqa: S102 - it is ours


@pytest.mark.parametrize("name", [name for name in TESTS if name.startswith("test_")])
async def test_the_guides_tests_pass(name: str, postgres_url: str) -> None:
    """As they stand there."""
    await TESTS[name](postgres_url)
