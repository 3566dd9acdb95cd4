"""The page on security names tests that there are."""

import re
from pathlib import Path

PAGE = Path("docs/security.md")


def test_every_test_that_it_names_exists() -> None:
    """A claim without a test would be a hope."""
    table = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "shown by" not in line]
    assert len(table) > 15
    for line in table:
        named = re.findall(r"`([\w/]+(?:\.py|/))(?:::(\w+))?`", line.rsplit("|", 2)[1])
        assert named, line
        for file, test in named:
            (found,) = [path for path in (Path("tests", file), Path(file)) if path.exists()]
            assert not test or re.search(rf"def {test}\(", found.read_text()), (file, test)


def test_every_page_that_it_names_exists() -> None:
    """Nor may it lead nowhere."""
    for link in re.findall(r"\]\(([\w-]+\.md)\)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
