"""The files of the tests: all of them can be collected by one call, as `make test-full` does."""

from collections import Counter
from pathlib import Path

TESTS = Path(__file__).parents[2]


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest knows a file by its name alone, and refuses to collect the second."""
    counts = Counter(file.name for file in TESTS.rglob("test_*.py"))
    assert [name for name, count in counts.items() if count > 1] == []
