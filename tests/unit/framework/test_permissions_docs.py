"""The page about permissions lists every check there is, with an example that can be written as it stands."""

import re
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import framework.policy as policy_language
from framework.call import Role
from framework.engine import of_readable
from framework.policy import Check, FieldPolicy, Policy
from framework.policy.row_checks import sql_check
from services.program.resources import Program

PAGE = (Path(__file__).parents[3] / "docs" / "permissions.md").read_text()
ROWS = re.findall(r"^\| (`[^|]*(?:\\\|[^|]*)*) \| ([^|]+) \| `(.+)` \|$", PAGE, re.MULTILINE)
# What a page about checks need not list: what makes policies of them, and what asks them.
OTHERS = {"policy", "bypass", "forbid", "field_policy", "rule_for", "rule_of", "report", "report_on_fields"}
OTHERS |= {"guard_of", "field_rules", "deciding_fields"}


def names() -> set[str]:
    """Returns the checks of the policy language."""
    told = {name: getattr(policy_language, name) for name in policy_language.__all__}
    made = {n for n, v in told.items() if isinstance(v, Check | FunctionType) or v is sql_check}
    return (made | {"of_readable"}) - OTHERS


def words() -> dict[str, Any]:
    """Returns what examples may name."""
    language = {name: getattr(policy_language, name) for name in policy_language.__all__}
    return language | {
        "Role": Role,
        "Program": Program,
        "of_readable": of_readable,
        "recent": lambda actor, table: None,
    }


def test_every_check_is_listed() -> None:
    """And none that there is not."""
    listed = {name for cell, _, _ in ROWS for name in re.findall(r"`([a-z_]+)", cell) if len(name) > 1}
    assert listed == names()


@pytest.mark.parametrize("example", [row[2].replace("\\|", "|") for row in ROWS])
def test_every_example_is_a_policy(example: str) -> None:
    """As it stands on the page."""
    made = eval(example, words())  # noqa: S307 - our own page
    assert isinstance(made, Policy | FieldPolicy) and str(made)


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))
def test_every_block_declares_policies(block: str) -> None:
    """The lists of the examples are lists of policies."""
    source = re.sub(r"^class .*\n", "", block)
    declared: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("    ") for line in source.splitlines()), words(), declared)  # noqa: S102
    (found,) = declared.values()
    assert found and all(isinstance(one, Policy | FieldPolicy) for one in found)
