"""Racing: a candidate that is surely worse is dropped before all its examples are paid for.

Every trial of a run sees the examples in one order, so that at each rung, a prefix of it, two trials are compared on
the same examples. A candidate goes only where one member of the front, evaluated in full, is better in *every*
objective: what is worse in one alone may still be on the front.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from domain.objectives import Objective
from domain.seeds import digest

FIRST = 8
"""How many examples the first rung has."""

MISTAKES = 0.05
"""How likely, over all rungs of a candidate, one is dropped that is as good as the member it lost to."""

Values = Mapping[str, Sequence[float | None]]
"""By objective, what each example gave in the run's order; None where it failed or gave nothing."""


def ordered(examples: Sequence[str], seed: int) -> list[str]:
    """Return the examples in the run's order: by a hash of the seed and the example, whatever order they come in."""
    return sorted(examples, key=lambda each: digest(seed, "racing", each))


def rungs(count: int, first: int = FIRST) -> list[int]:
    """Return the rungs for so many examples: 8, 16, 32, … and all; only the last is a full evaluation."""
    steps = range(max(math.ceil(math.log2(count / first)), 0)) if count else range(0)
    return [*(first * 2**step for step in steps), count]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate goes on; when it does not, which trial it lost to and by how much at least."""

    dropped: bool
    lost_to: int = 0
    bounds: Mapping[str, float] = field(default_factory=dict)
    """By objective, the upper bound of the candidate's gain over that trial, in the objective's own unit."""


def judge(
    candidate: Values,
    front: Mapping[int, Values],
    objectives: Sequence[Objective],
    rung: int,
    steps: Sequence[int],
    margins: Mapping[str, float] | None = None,
) -> Verdict:
    """Tells whether a candidate that saw the first `rung` examples is surely worse than one of the front.

    `steps` are all rungs of the run, the last being all examples. `front` holds trials evaluated in full, by number.
    `margins` are how much a candidate may be better, in units of the objective, and still be dropped; 0 where none is
    named. An objective without a value for each example, such as a percentile, cannot be raced: nothing is dropped.
    """
    level = MISTAKES / max(len(steps) - 1, 1) / len(objectives)
    for number, member in sorted(front.items()):
        bounds = {each.name: _bound(candidate, member, each, rung, level) for each in objectives}
        if all(bounds[each.name] < (margins or {}).get(each.name, 0.0) for each in objectives):
            return Verdict(dropped=True, lost_to=number, bounds=bounds)
    return Verdict(dropped=False)


def _bound(candidate: Values, member: Values, objective: Objective, rung: int, level: float) -> float:
    """Return the upper one-sided bound of the mean gain over a member, by Student's t; infinite without two pairs."""
    pairs = zip(candidate.get(objective.name, ())[:rung], member.get(objective.name, ())[:rung], strict=False)
    gains = [objective.gain(a) - objective.gain(b) for a, b in pairs if a is not None and b is not None]
    if len(gains) < 2:
        return math.inf
    # One pair without a difference besides: few pairs that agree by chance have no spread, and are no proof.
    seen = np.array([*gains, 0.0])
    spread = float(seen.std(ddof=1)) / math.sqrt(len(seen))
    return float(seen.mean() + _quantile(level, len(seen) - 1) * spread)


@lru_cache(maxsize=256)
def _quantile(level: float, freedom: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1 - level))


def imputed(candidate: Sequence[float | None], full: Sequence[Sequence[float | None]]) -> float | None:
    """Return the mean that a dropped candidate would likely have had over all examples; None if it has no value.

    It is the mean of what it saw, and the effect of the examples it did not see: how much harder or easier than the
    seen ones they were for the trials evaluated in full.
    """
    seen = [index for index, value in enumerate(candidate) if value is not None]
    if not seen:
        return None
    own = float(np.mean([candidate[index] for index in seen]))
    effects = [_mean(each, range(len(each))) - _mean(each, seen) for each in full]
    sound = [each for each in effects if not math.isnan(each)]
    return own + (float(np.mean(sound)) if sound else 0.0)


def _mean(values: Sequence[float | None], places: Sequence[int]) -> float:
    found = [value for at in places if at < len(values) and (value := values[at]) is not None]
    return math.fsum(found) / len(found) if found else math.nan
