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
    territories = sorted((c for c in codes if len(c) == 2 and c.isalpha()), key=_mixed)
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
    locale = Locale(language)
    for a, b in sorted(combinations(territories, 2), key=lambda pair: _mixed(language + "".join(pair))):
        names = [str(locale.territories[c]) for c in (a, b) if c in locale.territories]
        if len(names) == 2:
            yield {"inputs": {"text": format_list(names, locale=locale)}, "outputs": {"language": language}}


def _mixed(text: str) -> str:
    return sha256(text.encode()).hexdigest()
