"""How hard a space is to search, by one formula."""

from typing import Literal

from domain.space import Space

Difficulty = Literal["easy", "medium", "hard", "extreme"]

_LIMITS: tuple[tuple[float, Difficulty], ...] = ((6, "easy"), (15, "medium"), (40, "hard"))


def complexity(space: Space) -> float:
    """Return the complexity: what each dimension costs, what conditions and constraints add.

    That is: 2 for a continuous dimension, 1 and half the decimal logarithm of their cardinality together for discrete
    ones, 0.5 for a condition, 1 for a constraint. A variable or a constraint more never lowers it.
    """
    size = space.size()
    dimensions = 2.0 * size.continuous_dimensions + size.discrete_dimensions + 0.5 * size.log10
    return dimensions + 0.5 * size.conditional_dimensions + len(space.constraints)


def difficulty(space: Space) -> Difficulty:
    """Return the complexity in a word: easy up to 6, medium up to 15, hard up to 40, else extreme."""
    found = complexity(space)
    return next((word for limit, word in _LIMITS if found <= limit), "extreme")
