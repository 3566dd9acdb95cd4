"""The words of an expression."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from domain.expressions.faults import Malformed
from domain.values import Invalid, normalise

_WORD = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?!["']))
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<sign>&&|\|\||[<>=!]=|[-+*/%<>!?:.,()\[\]{}])
    )""",
    re.VERBOSE | re.ASCII,
)
_ESCAPED_APOSTROPHE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Token:
    """A word: `number`, `name`, `text`, `sign` or `end`, its value and its column from 0."""

    kind: str
    value: Any
    at: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of a text and an end; raises Malformed where there is none."""
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _WORD.match(text, at)
        if not found:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise Malformed(at, f"{text[at : at + 10]!r} begins nothing that belongs in an expression")
        kind = str(found.lastgroup)
        yield Token(kind, _value(kind, found.group(kind), found.start(kind)), found.start(kind))
        at = found.end()
    yield Token("end", "", end)


def _value(kind: str, word: str, at: int) -> Any:
    if kind == "text":
        return _text(word, at)
    if kind != "number":
        return word
    number = float(word)
    if number in (float("inf"), float("-inf")):
        raise Malformed(at, "is a number that no double reaches", "WRONG_TYPE")
    return number


def _text(word: str, at: int) -> str:
    """Return what a literal says; escapes are JSON's, in either kind of quotes."""
    if word[0] == "'":
        inner = _ESCAPED_APOSTROPHE.sub(lambda found: "'" if found[1] == "'" else found[0], word[1:-1])
        word = '"' + re.sub(r'(?<!\\)((?:\\\\)*)"', r'\1\\"', inner) + '"'
    try:
        return str(normalise(json.loads(word)))
    except ValueError:
        raise Malformed(at, "is a text with an escape that is unknown") from None
    except Invalid as invalid:
        raise Malformed(at, f"is a text that {invalid.violations[0].message}") from None
