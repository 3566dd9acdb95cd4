"""No act of a resource's own goes untested: standard ones are the suite's and the tenant walls', these are named."""

import re
from pathlib import Path

import pytest
from subjects import REGISTRIES

ROOT = Path(__file__).parents[1]
OWN = [method.name for registry in REGISTRIES for method in registry.methods.values() if not method.standard]


@pytest.fixture(scope="module")
def words() -> set[str]:
    """Every word of every test but of the tables that only list RPCs."""
    listing = {"test_writing_rpcs.py", "test_tested_rpcs.py", "factories.py", "test_tenant_walls.py"}
    files = [path for path in ROOT.rglob("*.py") if path.name not in listing]
    return {word for path in files for word in re.findall(r"\w+", path.read_text())}


@pytest.mark.parametrize("rpc", OWN)
def test_an_act_of_its_own_is_called_by_a_test(rpc: str, words: set[str]) -> None:
    """By its name, or by its request's."""
    assert {rpc, f"{rpc}Request"} & words
