"""Every filter that the documentation shows is one."""

import re
from pathlib import Path

import pytest

from framework.query import Columns, filter_clause
from framework.resource import ResourceSpec
from framework.storage import table_of
from services.describe import registries

SPECS: dict[str, ResourceSpec] = {spec.noun: spec for registry in registries() for spec in registry.specs.values()}
SHOWN = [
    (noun, line)
    for noun, block in re.findall(r"```filter (\w+)\n(.*?)```", Path("docs/filters.md").read_text(), re.DOTALL)
    for line in block.splitlines()
]


@pytest.mark.parametrize(("noun", "text"), SHOWN)
def test_documented_filters_are_filters(noun: str, text: str) -> None:
    """Over the resource that they are shown for."""
    filter_clause(text, Columns(SPECS[noun].fields, table_of(SPECS[noun])))


def test_something_is_shown() -> None:
    """Otherwise the test above would hold of nothing."""
    assert len(SHOWN) >= 10
