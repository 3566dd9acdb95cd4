"""Which variables matter for what trials reached, how sure that is, and where the good values lie."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from domain.importance.fanova import Analysis
from domain.importance.features import Column, columns
from domain.importance.forest import Floats, Table
from domain.importance.ped_anova import BEST_SHARE, FEWEST_BEST, divergences
from domain.leaves import leaves
from domain.objectives import Objective
from domain.seeds import digest
from domain.space import Space
from domain.values import Json

Method = Literal["ped_anova", "fanova"]

RESAMPLES = 100
"""B of PED-ANOVA: how many samples of the trials, drawn with replacement, the intervals are from."""

TREES = 32
"""B of fANOVA: how many trees, each on a sample of its own."""

MOST_TRIALS = 10_000
MOST_PAIRED = 30
INTERVAL = 0.9
"""How much of the samples an interval holds."""


class TooFew(Exception):  # noqa: N818 - what there are
    """There are fewer trials than say anything of so many variables."""

    def __init__(self, count: int, least: int) -> None:
        self.count = count
        self.least = least
        super().__init__(f"{count} trials say nothing of this space yet: {least} are needed")


@dataclass(frozen=True)
class Estimate:
    """A share of all that matters, and the interval that holds INTERVAL of the samples."""

    share: float
    low: float
    high: float


@dataclass(frozen=True)
class CurvePoint:
    """What trials with a value reach on average over all other variables, in the objective's own units."""

    value: Json
    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Effect:
    """One variable (by its path): its main effect, how many trials have it, its curve, and where the best trials are.

    The region is the lowest and the highest number among the best tenth, or the choices that occur there.
    """

    key: str
    estimate: Estimate
    trials: int
    curve: tuple[CurvePoint, ...]
    region: tuple[Json, ...]
    is_range: bool


@dataclass(frozen=True)
class Interaction:
    """What two variables explain together beyond each alone."""

    keys: tuple[str, str]
    estimate: Estimate


@dataclass(frozen=True)
class Importance:
    """What an analysis found, of so many trials; `excluded` had no result, or configurations of another space."""

    method: Method
    trials: int
    excluded: int
    resamples: int
    effects: tuple[Effect, ...]
    interactions: tuple[Interaction, ...] = ()


def least_trials(space: Space) -> int:
    """Return how many trials there must be: 20, and two for each scalar."""
    return max(20, 2 * sum(1 for _ in leaves(space)))


def importance(
    space: Space,
    trials: Sequence[tuple[Mapping[str, Json], float | None]],
    objective: Objective,
    method: Method = "ped_anova",
    *,
    pairs: bool = False,
    seed: int = 0,
) -> Importance:
    """Return how much each variable matters for what trials reached: their values and scores, None where there is none.

    The latest MOST_TRIALS count. Raises TooFew below `least_trials`.
    """
    scored = [(values, score) for values, score in trials if score is not None and math.isfinite(score)][-MOST_TRIALS:]
    if len(scored) < (least := least_trials(space)):
        raise TooFew(len(scored), least)
    scores = np.array([score for _, score in scored])
    found = columns(space, [values for values, _ in scored])
    analyses = _forest(found, scores, seed)
    gains = scores if objective.rising else -scores
    if method == "fanova":
        shares = np.stack([each.main() for each in analyses])
        point = shares.mean(axis=0)
    else:
        point, shares = _diverging(found, gains, seed)
    estimates = _estimates(point, shares)
    effects = [
        Effect(column.key, estimate, int(column.active.sum()), _curve(column, place, analyses), *_region(column, gains))
        for place, (column, estimate) in enumerate(zip(found, estimates, strict=True))
    ]
    effects.sort(key=lambda each: -each.estimate.share)
    both = _interactions(found, analyses) if pairs else ()
    count = TREES if method == "fanova" else RESAMPLES
    return Importance(method, len(scored), len(trials) - len(scored), count, tuple(effects), both)


def _random(seed: int, purpose: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(digest(seed, "importance", purpose)))


def _forest(found: Sequence[Column], scores: Floats, seed: int) -> list[Analysis]:
    if not found:
        return []
    table, random = Table(found, scores), _random(seed, "forest")
    return [Analysis(table.tree(random), table.measures) for _ in range(TREES)]


def _diverging(found: Sequence[Column], gains: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return the divergences of all trials, and those of the samples."""
    random = _random(seed, "resamples")
    count = len(gains)
    drawn = [np.bincount(random.integers(0, count, count), minlength=count) for _ in range(RESAMPLES)]
    weights = np.vstack([np.ones(count), np.stack(drawn)])
    every = divergences(found, gains, weights, random)
    return every[0], every[1:]


def _estimates(point: Floats, shares: Floats) -> list[Estimate]:
    """Return shares of the whole, with their intervals; all of them 0 where nothing matters."""
    point = _of_whole(point[None, :])[0]
    low, high = _interval(_of_whole(shares))
    return [
        Estimate(float(share), float(min(a, share)), float(max(b, share)))
        for share, a, b in zip(point, low, high, strict=True)
    ]


def _of_whole(shares: Floats) -> Floats:
    total = shares.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(shares, total, out=np.zeros_like(shares), where=total > 1e-12))


def _interval(samples: Floats) -> tuple[Floats, Floats]:
    beyond = (1 - INTERVAL) / 2
    low, high = np.quantile(samples, [beyond, 1 - beyond], axis=0) if samples.size else (samples, samples)
    return low, high


def _curve(column: Column, place: int, analyses: Sequence[Analysis]) -> tuple[CurvePoint, ...]:
    curves = np.stack([each.curves[place] + each.mean for each in analyses])[:, : column.bins]
    low, high = _interval(curves)
    return tuple(
        CurvePoint(column.value(code), float(mean), float(low[code]), float(high[code]))
        for code, mean in enumerate(curves.mean(axis=0))
    )


def _region(column: Column, gains: NDArray[np.float64]) -> tuple[tuple[Json, ...], bool]:
    count = max(math.ceil(BEST_SHARE * len(gains)), FEWEST_BEST)
    best = np.argsort(-gains, kind="stable")[:count]
    codes = sorted({int(code) for code in column.codes[best] if code < column.bins})
    if column.ordered and codes:
        return (column.value(codes[0]), column.value(codes[-1])), True
    return tuple(column.value(code) for code in codes), False


def _interactions(found: Sequence[Column], analyses: Sequence[Analysis]) -> tuple[Interaction, ...]:
    """Return the pairs of the MOST_PAIRED columns that explain most alone, the most important pair first."""
    if not found:
        return ()
    made = []
    main = np.mean([each.main() for each in analyses], axis=0)
    chosen = sorted(int(place) for place in np.argsort(-main, kind="stable")[:MOST_PAIRED])
    for index, one in enumerate(chosen):
        for other in chosen[index + 1 :]:
            shares = np.array([each.pair(one, other) for each in analyses])
            low, high = _interval(shares[:, None])
            keys = found[one].key, found[other].key
            made.append(Interaction(keys, Estimate(float(shares.mean()), float(low[0]), float(high[0]))))
    return tuple(sorted(made, key=lambda each: -each.estimate.share))
