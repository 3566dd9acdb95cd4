"""The demo's data: two territory names joined as a language joins them, from Unicode CLDR; nothing is downloaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from typing import Any

from babel import Locale
from babel.lists import format_list

LANGUAGES = ("ca", "da", "de", "en", "es", "fi", "fr", "it", "nb", "nl", "pl", "pt", "ro", "sv", "tr")
SIZES = {"train": 200, "validation": 300, "test": 1200}
# Codes of CLDR that are no territories: unions and groupings, two made-up languages' homes, and the unknown.
_NO_TERRITORIES = {"EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"}
# Which share of the territories each split gets: disjoint, so that no name is seen twice.
_SHARES = {"train": 0.25, "validation": 0.3, "test": 0.45}

Example = dict[str, Any]


@dataclass(frozen=True)
class Splits:
    """The three splits, each a list of `{"inputs": {"text"}, "outputs": {"language"}}`."""

    train: list[Example]
    validation: list[Example]
    test: list[Example]


def load() -> Splits:
    """Returns the splits; the order comes from a hash of the text, so it is the same everywhere and nobody's choice."""
    codes = [str(c) for c in Locale("en").territories]
    territories = sorted((c for c in codes if len(c) == 2 and c.isalpha() and c not in _NO_TERRITORIES), key=_mixed)
    parts, start = {}, 0
    for name, share in _SHARES.items():
        end = start + round(share * len(territories))
        parts[name] = territories[start:end]
        start = end
    return Splits(**{name: _examples(parts[name], size) for name, size in SIZES.items()})


def _examples(territories: list[str], size: int) -> list[Example]:
    """Returns as many examples, languages taking turns, so that they are balanced to within one."""
    pools = [_pool(language, territories) for language in LANGUAGES]
    return [next(pools[i % len(pools)]) for i in range(size)]


def _pool(language: str, territories: list[str]) -> Iterator[Example]:
    """Yields a language's examples; a text that is right in two languages is nobody's, as it has no one answer."""
    for pair in sorted(combinations(territories, 2), key=lambda pair: _mixed(language + "".join(pair))):
        text = _joined(language, *pair)
        if text and not any(text == _joined(other, *pair) for other in LANGUAGES if other != language):
            yield {"inputs": {"text": text}, "outputs": {"language": language}}


def _joined(language: str, *territories: str) -> str:
    """Returns the territories' names as the language joins them, empty when it has no name for one."""
    locale = Locale(language)
    names = [str(locale.territories[code]) for code in territories if code in locale.territories]
    return format_list(names, locale=locale) if len(names) == len(territories) else ""


def _mixed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
