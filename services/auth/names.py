"""Names that people read: one way to write what looks the same, and nothing that the eye does not see."""

import unicodedata

from framework.engine.messages import refuse_if
from framework.errors import FieldViolation

# What addresses that look alike have in common, as SQL of the column `email`.
SHAPE = "replace(replace(translate(lower(email), '01', 'ol'), 'rn', 'm'), 'vv', 'w')"
# Controls, formats (direction and joining marks), surrogates, private use, unassigned; separators of lines.
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain_name(name: str, path: str) -> str:
    """Returns a name in the form NFKC, without white space around it; raises InvalidFields for characters unseen."""
    plain = unicodedata.normalize("NFKC", name).strip()
    unseen = sorted({f"U+{ord(one):04X}" for one in plain if unicodedata.category(one) in _UNSEEN})
    if unseen:
        refuse_if([FieldViolation(path, f"holds characters that nobody sees: {', '.join(unseen)}; leave them out")])
    return plain
