"""Whether a search still gets better: by what was gained within its last window, as a share of all that was gained."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from domain.objectives import Objective, Scored, is_feasible, is_scored

Status: TypeAlias = Literal["not_started", "exploring", "improving", "plateaued", "converged", "diverged"]
Trace: TypeAlias = Sequence[float | None]
"""What is followed, after each trial that ended; None before the first result."""

LITTLE = 0.01
"""Which share of all that was gained is little."""
CALM_WINDOWS = 3
"""After how many windows of little gain a search has converged."""
_LEAST, _MOST = 10, 100


@dataclass(frozen=True, slots=True)
class Convergence:
    """How far a search has got, and which share of all gains came before its last window."""

    status: Status
    score: float | None = None


def window_of(budget: int) -> int:
    """Return how many trials a window has: a tenth of the budget, 10 to 100."""
    return min(max(-(-budget // 10), _LEAST), _MOST)


def values_of(ended: Iterable[Scored], objectives: Sequence[Objective]) -> list[float | None]:
    """Return what each trial gained in the first objective, more being better; None without a result that counts.

    One that misses a threshold does not count: nobody would take it.
    """
    primary = objectives[0]
    return [
        primary.gain((each.objectives or {})[primary.name])
        if is_scored(each, objectives) and is_feasible(each.objectives or {}, objectives)
        else None
        for each in ended
    ]


def best_so_far(values: Trace) -> list[float | None]:
    """Return the best value after each trial."""
    found: list[float | None] = []
    best: float | None = None
    for value in values:
        best = value if best is None or (value is not None and value > best) else best
        found.append(best)
    return found


def left_after(numbers: Iterable[int], changes: Mapping[int, float]) -> list[float | None]:
    """Return what is known of the front after each trial, by the trials that changed it."""
    found: list[float | None] = []
    latest: float | None = None
    for number in numbers:
        latest = changes.get(number, latest)
        found.append(latest)
    return found


def convergence(
    values: Trace, trace: Trace, window: int, margins: Trace = (), *, exhausted: bool = False
) -> Convergence:
    """Return how far a search has got, by its trials in the order in which they ended.

    `margins` tell, where there are any, by how much each value of the trace may be off: where the intervals of two
    overlap, nothing was gained between them.
    """
    if not values:
        return Convergence("not_started")
    score = _score(trace, margins, window)
    if exhausted:
        return Convergence("converged", score)
    if len(values) < window:
        return Convergence("exploring")
    if _is_worse(values, window):
        return Convergence("diverged", score)
    if score is None:
        return Convergence("exploring")
    if score < 1 - LITTLE:
        return Convergence("improving", score)
    calm = _score(trace, margins, CALM_WINDOWS * window)
    return Convergence("converged" if calm is not None and calm >= 1 - LITTLE else "plateaued", score)


def _score(trace: Trace, margins: Trace, window: int) -> float | None:
    """Returns which share of all gains came before the last trials; None while there are no others."""
    known = [each for each in trace if each is not None]
    if len(trace) <= window or not known:
        return None
    first, last, before = known[0], known[-1], trace[-1 - window]
    if before is None:
        return 0.0
    if last - before <= _noise(margins, window):
        return 1.0
    return (before - first) / (last - first) if last > first else 1.0


def _noise(margins: Trace, window: int) -> float:
    """Returns what the last value and that before the window may differ by where nothing was gained."""
    return (margins[-1] or 0.0) + (margins[-1 - window] or 0.0) if margins else 0.0


def _is_worse(values: Trace, window: int) -> bool:
    latest = [each for each in values[-window:] if each is not None]
    if not latest:
        return True
    first = [each for each in values[:window] if each is not None]
    if len(values) < 2 * window or len(first) < 2:
        return False
    return float(np.median(latest)) < float(np.median(first)) - 2 * float(np.std(first, ddof=1))
