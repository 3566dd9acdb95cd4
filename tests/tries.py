"""How many examples a property is tried with where the profile's own number would take too long, or too little."""

from hypothesis import settings


def tries(usual: int) -> int:
    """Returns how many: so many of a hundred of the profile's, ten times as many in a thorough run."""
    return usual * settings().max_examples // 100
