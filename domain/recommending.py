"""How to search a space: which strategy, and how many trials."""

import math
from typing import Literal

from domain.difficulty import complexity
from domain.space import Space

Recommended = Literal["grid", "sobol", "bayesian"]

LEAST_BUDGET = 20
MOST_BUDGET = 10_000
TRIALS_PER_COMPLEXITY = 10
EVEN_BELOW = 50
"""Below so many trials there is too little to learn from: evenly spread points find as much."""


def recommended_budget(space: Space) -> int:
    """Return how many trials a search should have: ten for each unit of complexity, 20 at least and 10,000 at most.

    A space that has fewer configurations needs no more than one trial each. A variable or a constraint more never
    lowers it, but for that.
    """
    size = space.size()
    wanted = min(max(LEAST_BUDGET, math.ceil(TRIALS_PER_COMPLEXITY * complexity(space))), MOST_BUDGET)
    return wanted if size.is_infinite else min(wanted, size.discrete_cardinality)


def recommended_strategy(space: Space) -> Recommended:
    """Return how to search within the budget: all of it, evenly, or learning from what is found."""
    size, budget = space.size(), recommended_budget(space)
    if not size.is_infinite and size.discrete_cardinality <= budget:
        return "grid"
    return "sobol" if budget < EVEN_BELOW else "bayesian"
