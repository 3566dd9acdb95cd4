"""Names: what looks the same is the same, and nothing hides in one."""

import pytest

from framework.errors import InvalidFields
from services.auth.names import plain_name


def test_a_name_is_kept_in_one_form() -> None:
    """NFKC: full-width letters, ligatures and composed accents are one way of writing."""
    assert plain_name(" \uff21\uff2e\uff2e ", "name") == "ANN"
    assert plain_name("Jose\u0301", "name") == "Jos\u00e9"
    assert plain_name("\ufb01", "name") == "fi"


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\u0000", "\n", "\u2028", "\ue000", "\u2066"])
def test_nothing_that_nobody_sees_is_in_a_name(hidden: str) -> None:
    """Direction marks, zero-width signs, controls and private characters are refused by their number."""
    with pytest.raises(InvalidFields) as refused:
        plain_name(f"Ann{hidden}a", "user.name")
    assert refused.value.violations[0].path == "user.name"
    assert f"U+{ord(hidden):04X}" in refused.value.violations[0].message
