"""Candidates without repetition: a trial of what was tried already brings no news."""

from collections.abc import Iterator
from itertools import chain, islice

from domain.sampling import random_configuration
from domain.seeds import Draw
from domain.space import Space
from domain.strategies.following import Tried
from domain.strategies.strategy import Question
from domain.values import Json

TRIES = 4
"""How often a configuration that was tried already is asked for again before chance looks for one that was not.

Four times as often where there are constraints, which models of the objectives do not know.
"""

DRAWS = 64
"""How long chance looks: a space in which all these were tried is taken for exhausted."""


def untried(question: Question, candidates: Iterator[dict[str, Json]]) -> dict[str, Json]:
    """Return the first valid candidate that was not tried, else the first valid one, else what sampling finds.

    In a small space a model repeats what is best: trials without news, while other configurations wait. Raises
    Unsatisfied.
    """
    space, first = question.space, None
    tried = question.memory.setdefault("tried", Tried()).of(question)
    tries = TRIES * 4 if space.rules.may_break else TRIES
    for candidate in chain(islice(candidates, tries), islice(drawn(space, question.seed, "untried"), DRAWS)):
        if space.rules.broken(candidate):
            continue
        # Python's equality is quick and takes 1 for true; that costs one more try at worst.
        if candidate not in tried:
            return candidate
        first = candidate if first is None else first
    return first if first is not None else random_configuration(space, question.seed, 0)


def drawn(space: Space, seed: int, purpose: str) -> Iterator[dict[str, Json]]:
    """Yield draws for ever, whether constraints hold or not."""
    source = Draw(seed, purpose)
    while True:
        yield space.draw(source)
