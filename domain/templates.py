"""Chat templates: text with `{{name}}` where a value goes and `\\{{` for two braces; nothing is evaluated."""

import json
import re
from collections.abc import Collection, Iterator, Mapping

from domain.values import Json, Violation, shown, some_of

INSTRUCTIONS = "instructions"
"""The placeholder that stands for a program's instructions."""

_PART = re.compile(r"(\\\{\{)|\{\{\s*([a-z][a-z0-9_]{0,62})\s*\}\}")
_OPEN = re.compile(r"(?<!\\)\{\{")


def placeholders(text: str) -> list[str]:
    """Return the names that a template has places for, each once, in their order."""
    return list(dict.fromkeys(name for _, name in _PART.findall(text) if name))


def faults(text: str, known: Collection[str], path: str) -> Iterator[Violation]:
    """Yield what is wrong with a template: braces that hold no name, and names that nothing is known by."""
    for found in _OPEN.finditer(text):
        if not _PART.match(text, found.start()):
            piece = shown(text[found.start() : found.start() + 30])
            message = f"has braces without a field's name in them: {piece}; write \\{{{{ for two braces"
            yield Violation(path, message, "PLACEHOLDER")
    for name in placeholders(text):
        if name not in known:
            yield Violation(
                path, f"has a place for {name}, which is no input; there are {some_of(known)}", "PLACEHOLDER"
            )


def rendered(text: str, values: Mapping[str, Json]) -> str:
    """Return a template with values in their places; what is put in is not looked at again."""
    return _PART.sub(lambda found: "{{" if found[1] else written(values.get(found[2])), text)


def written(value: Json) -> str:
    """Return a value as it stands in a prompt: text as it is, nothing for null, everything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
