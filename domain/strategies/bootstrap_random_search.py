"""Random search over demonstrations: the sets that were drawn for a run's slots, one after the other.

What is drawn, and of what, is `domain.bootstrapping`'s; whoever asks has offered the sets to the space, in the order
in which they were drawn. All other variables stay where they are: what differs is what demonstrations are worth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.objectives import Objective
from domain.sampling import random_configuration
from domain.space import DemoSetVariable, Space
from domain.strategies.following import Tried
from domain.strategies.strategy import Exhausted, Question
from domain.values import Json

BOOTSTRAPPED, DEMONSTRATIONS, TRACES = 4, 16, 32


def refusal(space: Space, objectives: Sequence[Objective]) -> str:
    """Return why this strategy cannot search a space; nothing when it can."""
    if not searched(space):
        return "searches among sets of demonstrations: the space has no demo_set variable that may change"
    return ""


def base_of(space: Space, run_seed: int) -> dict[str, Json]:
    """Return what stays as it is in all trials: the defaults, or one draw where they break. Raises Unsatisfied."""
    defaults = space.defaults()
    return random_configuration(space, run_seed, 0) if defaults is None else defaults


def searched(space: Space) -> list[DemoSetVariable]:
    """Return the variables that sets of demonstrations are drawn for."""
    return [each for each in space.prompts if isinstance(each, DemoSetVariable) and each.mutable]


@dataclass(frozen=True)
class BootstrapRandomSearch:
    """Tries the space's defaults, then each set of demonstrations with all else as it was; then it is exhausted."""

    learns: ClassVar[bool] = True

    max_bootstrapped: int = BOOTSTRAPPED
    """How many demonstrations of a set are the program's own answers, at most."""
    max_demonstrations: int = DEMONSTRATIONS
    """How many demonstrations a set has at most."""
    traces: int = TRACES
    """How many answers are gathered to draw from."""
    accept: float = 0.0
    """What an example must score by the first objective for its answer to be shown."""

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return the first configuration that was not tried; raises Exhausted behind the last, Unsatisfied."""
        tried = question.memory.setdefault("tried", Tried()).of(question)
        for values in _candidates(question):
            if values not in tried and not question.space.rules.broken(values):
                return values
        raise Exhausted


def _candidates(question: Question) -> Iterator[dict[str, Json]]:
    space = question.space
    base = base_of(space, question.run_seed)
    yield base
    active = [each for each in searched(space) if each.name in base]
    for place in range(1, max((len(each.choices) for each in active), default=0)):
        chosen = {each.name: each.choices[place] for each in active if place < len(each.choices)}
        yield {**base, **chosen}
