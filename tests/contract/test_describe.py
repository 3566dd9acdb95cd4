"""The page of `make describe`, held against a golden file.

To renew the file: `make -s describe > tests/contract/golden/describe.txt`.
"""

from pathlib import Path

from services.describe import page

GOLDEN = Path(__file__).parent / "golden" / "describe.txt"


def test_the_compiled_specs_are_those_that_were_reviewed() -> None:
    """Whoever means a change renews the file and has the difference reviewed."""
    assert page() == GOLDEN.read_text()
