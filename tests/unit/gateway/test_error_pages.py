"""The pages about errors are what the proto and the examples say now."""

import re

from ashgrove.error.v1.reason_pb2 import Reason

from framework.errors import kinds, page_of
from gateway.error_examples import EXAMPLES
from gateway.error_pages import FOLDER, HTTP, entries, pages


def test_the_pages_are_current() -> None:
    """Renew them with `python -m gateway.error_pages`."""
    written = {str(file.relative_to(FOLDER)): file.read_text() for file in (FOLDER / "errors").glob("*.md")}
    assert written == pages()


def test_every_reason_says_what_it_means_and_what_to_do() -> None:
    """With its code, an example, and the page that the error itself names."""
    for entry in entries():
        assert entry.meaning and entry.to_do.endswith("."), entry.name
        assert re.search(rf"\b{EXAMPLES[entry.name].code.name}\b", entry.meaning), entry.name
        assert page_of(entry.name) in str(EXAMPLES[entry.name].status), entry.name
    assert {entry.name for entry in entries()} == EXAMPLES.keys()


def test_examples_have_the_code_of_their_failure() -> None:
    """And every code that a failure has is known over REST."""
    for kind in kinds():
        assert EXAMPLES[Reason.Name(kind.reason).removeprefix("REASON_")].code is kind.code
        assert kind.code.name in HTTP
