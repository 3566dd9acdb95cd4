"""The CMA-ES strategy: evolution of a normal distribution, for one objective over numbers alone.

The distribution follows from the rows: the scored trials, by number, are its generations, and those behind the last
complete one are not learned from yet. What was made of the same rows before is remembered, and what was forgotten is
made again.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from operator import attrgetter
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from domain.gaussian.encoding import Encoding
from domain.leaves import leaves
from domain.objectives import Objective, is_scored, standing
from domain.seeds import Draw, digest
from domain.space import FloatVariable, IntegerVariable, Space
from domain.strategies.strategy import Observation, Question
from domain.strategies.untried import untried
from domain.values import Json

SPREAD = 0.3
"""The first deviation, in shares of a range."""

REMEMBERED = 32


def refusal(space: Space, objectives: Sequence[Objective]) -> str:
    """Return why this strategy cannot search a space; nothing when it can."""
    if len(objectives) > 1:
        return "searches for one objective; several are evolutionary's or bayesian's"
    if not _is_numeric(space):
        return "searches among numbers without conditions; choices and structures are evolutionary's or bayesian's"
    return ""


@dataclass(frozen=True)
class CmaEsStrategy:
    """Proposes the defaults, then samples of a distribution that the better half of each generation moves and bends."""

    learns: ClassVar[bool] = True

    population: int = 0
    """How many trials make a generation; 4 and three times the logarithm of the number of variables when 0."""
    _known: "OrderedDict[int, Any]" = field(default_factory=OrderedDict, compare=False, repr=False)
    _lock: Lock = field(default_factory=Lock, compare=False, repr=False)

    def suggest(self, question: Question) -> dict[str, Json]:
        """Return a configuration; one that was not tried yet unless such are hard to find. Raises Unsatisfied."""
        if question.is_first and (defaults := question.space.defaults()) is not None:
            return defaults
        return untried(question, self._sampled(question))

    def _sampled(self, question: Question) -> Iterator[dict[str, Json]]:
        encoding = Encoding(question.space, fine=2)
        given = question.space.draw(Draw(question.seed, "constants"))
        if not len(encoding.groups):
            yield given
            return
        evolved = deepcopy(self._evolved(question, encoding))
        evolved.reseed_rng(digest(question.seed, "cma_es", size=4))
        while True:
            made = encoding.moved(given, evolved.ask())
            if made is not None:
                yield made

    def _evolved(self, question: Question, encoding: Encoding) -> Any:
        size = self._size(encoding)
        scored = [each for each in question.finished if is_scored(each, question.objectives)]
        scored.sort(key=attrgetter("number"))
        generations = [scored[at : at + size] for at in range(0, len(scored) - size + 1, size)]
        keys = _keys(question, size, generations)
        with self._lock:
            known = max((at for at, key in enumerate(keys) if key in self._known), default=0)
            evolved = self._known.get(keys[known]) or _begun(question.space, encoding, size)
            for at in range(known, len(generations)):
                evolved = deepcopy(evolved)
                evolved.tell(_told(encoding, generations[at], question.objectives))
                self._known[keys[at + 1]] = evolved
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return evolved

    def _size(self, encoding: Encoding) -> int:
        return self.population or 4 + int(3 * np.log(len(encoding.groups)))


def _is_numeric(space: Space) -> bool:
    found = list(leaves(space))
    return bool(found) and all(
        isinstance(each.variable, FloatVariable | IntegerVariable) and not each.condition for each in found
    )


def _keys(question: Question, size: int, generations: Sequence[Sequence[Observation]]) -> list[int]:
    """Return what stands for the distribution before each generation, and behind the last."""
    keys = [hash((question.space.content_hash, size, question.run_seed))]
    for generation in generations:
        reached = tuple((each.number, *(each.objectives or {}).values()) for each in generation)
        keys.append(hash((keys[-1], reached)))
    return keys


def _begun(space: Space, encoding: Encoding, size: int) -> Any:
    from cmaes import CMA

    defaults = space.defaults()
    mean = encoding.row(defaults) if defaults is not None else None
    cube = np.array([[0.0, 1.0]] * len(encoding.groups))
    # Not at the edge itself: half of what is drawn around it would be thrown away.
    mean = np.full(len(cube), 0.5) if mean is None else np.clip(mean, 0.05, 0.95)
    return CMA(mean=mean, sigma=SPREAD, bounds=cube, population_size=size, seed=0)


def _told(
    encoding: Encoding, generation: Sequence[Observation], objectives: Sequence[Objective]
) -> list[tuple[NDArray[np.float64], float]]:
    """Return the points of a generation with their ranks: thresholds count, and units do not."""
    ranked = sorted(generation, key=lambda each: standing(each.objectives or {}, objectives))
    rows = ((encoding.row(each.values), float(rank)) for rank, each in enumerate(ranked))
    return [(row, rank) for row, rank in rows if row is not None]
