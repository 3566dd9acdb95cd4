"""The Gaussian process strategy: expected improvement under a smooth model, for runs of few, dear trials.

Where objectives are smooth it needs a fraction of the trials that the estimator of `bayesian` needs, at the price of
some tens of milliseconds a suggestion. Several objectives are weighed anew for every suggestion (ParEGO: Knowles,
2006), so that a run visits the whole front; thresholds multiply the improvement with the chance that they are kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from domain.moving import perturbed
from domain.objectives import Objective, goals, is_feasible
from domain.pareto import gain_matrix
from domain.ranking import fittest
from domain.seeds import Draw
from domain.strategies.history import bounded
from domain.strategies.strategy import Observation, Question
from domain.values import Json

if TYPE_CHECKING:
    from domain.gaussian.encoding import Encoding

STARTUP = 8
"""How many scored trials there must be before the model has anything to say."""

MOST, BEST = 200, 100
"""How many trials the model is fitted to, and how many of them are the best: its cost grows with their cube."""

DRAWN, NEAR, REFINED = 256, 8, 3
"""How many candidates are drawn, how many are steps from each of the fittest trials, how many of all are refined."""

STEPS = 20
NEWS = 1e-3
"""How far, in shares of a range, a candidate is from all that was tried in its most distant leaf: nearer is no news."""

PARENTS, SCALES = 6, (0.02, 0.1)
AUGMENTED = 0.05
FARTHEST = 1e6
"""How many spreads below the median are told apart: what failed may be told as the lowest double that there is."""

Vector = NDArray[np.float64]
Promise = Callable[[Vector], Vector]


def promising(question: Question, history: Sequence[Observation]) -> Iterator[dict[str, Json]]:
    """Yield candidates by falling promise under a model of the scored trials and the pending ones."""
    from domain.gaussian.encoding import Encoding
    from domain.gaussian.threads import single_threaded

    single_threaded()
    encoding = Encoding(question.space)
    history = bounded(history, question.objectives, question.run_seed, MOST, BEST)
    known = [(each, row) for each in history if (row := encoding.row(each.values)) is not None]
    if not known or not len(encoding.groups):
        return
    rows = np.array([row for _, row in known])
    pending = [row for values in question.pending if (row := encoding.row(values)) is not None]
    trials, waiting = [each for each, _ in known], np.array(pending).reshape(-1, rows.shape[1])
    promise = _promise(question, trials, rows, waiting, encoding.groups)
    candidates = list(_candidates(question, trials))
    encoded = [row for values in candidates if (row := encoding.row(values)) is not None]
    order = np.argsort(-promise(np.array(encoded)), kind="stable").tolist()
    refined = [_refined(encoding, candidates[place], encoded[place], promise) for place in order[:REFINED]]
    better = [values for _, values in sorted(filter(None, refined), key=lambda each: -each[0])]
    tried = np.vstack([rows, waiting])
    for values in (*better, *(candidates[place] for place in order)):
        row = encoding.row(values)
        if row is not None and np.abs(tried - row).max(axis=1).min() > NEWS:
            yield values


def _candidates(question: Question, known: Sequence[Observation]) -> Iterator[dict[str, Json]]:
    source = Draw(question.seed, "candidates")
    for _ in range(DRAWN):
        if not question.space.rules.broken(values := question.space.draw(source)):
            yield values
    for parent in fittest(known, question.objectives, PARENTS):
        for index in range(NEAR):
            yield perturbed(question.space, parent.values, source, SCALES[index % len(SCALES)])


def _promise(
    question: Question, known: Sequence[Observation], rows: Vector, pending: Vector, groups: NDArray[np.intp]
) -> Promise:
    """Return the logarithm of the expected improvement times the chance that every threshold is kept."""
    from domain.gaussian.improvement import log_expected_improvement, log_probability_below
    from domain.gaussian.regression import fitted

    values = _levelled(_weighed(question, known))
    seen = fitted(rows, values, groups)
    model = seen.believing(pending)
    sound = [is_feasible(each.objectives or {}, question.objectives) for each in known]
    passed = [_excesses(known, each) for each in question.objectives if each.threshold is not None]
    # Where all stand at their bound every chance is the same; its rounding alone would move what is refined.
    bounds = [fitted(rows, each, groups) for each in passed if each.any()]
    # Without a feasible trial there is nothing to improve upon: what counts is the chance to be feasible.
    best = float(values[sound].max()) if any(sound) else None
    if best is not None and len(pending):  # what is being tried is expected to reach as much
        best = max(best, float(seen.predict(pending)[0].max()))

    def promise(points: Vector) -> Vector:
        total = np.zeros(len(points))
        if best is not None:
            total += log_expected_improvement(*model.predict(points), best)
        for bound in bounds:
            total += log_probability_below(*bound.predict(points), 0.0)
        return total

    return promise


def _weighed(question: Question, known: Sequence[Observation]) -> Vector:
    """Return one value for each trial, more being better: the gain, or the gains under weights of this suggestion."""
    gains = gain_matrix(known, goals(question.objectives))
    if gains.shape[1] == 1:
        return np.asarray(gains[:, 0])
    low, high = gains.min(axis=0), gains.max(axis=0)
    shares = (gains - low) / np.where(high > low, high - low, 1.0)
    source = Draw(question.seed, "weights")
    drawn = -np.log([max(source.unit(), 2.0**-54) for _ in range(gains.shape[1])])
    weighted = shares * (drawn / drawn.sum())
    return np.asarray(weighted.min(axis=1) + AUGMENTED * weighted.sum(axis=1))


def _levelled(values: Vector) -> Vector:
    """Return the values with those far below the median pulled up: how bad the bad ones are is no news.

    Deviations of more than one spread of the better half grow with their logarithm only, beyond FARTHEST not at all.
    """
    middle = float(np.median(values))
    spread = float(np.sqrt(np.mean(np.maximum(values - middle, 0.0) ** 2))) or 1.0
    with np.errstate(over="ignore"):
        below = np.clip((middle - values) / spread, 0.0, FARTHEST)
    pulled = np.where(below > 1.0, 1.0 + np.log(np.maximum(below, 1.0)), below)
    return np.asarray(np.where(values < middle, middle - spread * pulled, values))


def _excesses(known: Sequence[Observation], objective: Objective) -> Vector:
    return np.array([objective.excess((each.objectives or {})[objective.name]) for each in known])


def _refined(
    encoding: "Encoding", values: Mapping[str, Json], row: Vector, promise: Promise
) -> tuple[float, dict[str, Json]] | None:
    """Return the candidate with its fine numbers moved to where they promise most, and how much that is."""
    from scipy.optimize import minimize

    if not len(columns := encoding.movable):
        return None

    def loss(places: Vector) -> tuple[float, Vector]:
        # One batch: the point, and a short step from it along each column, inward from the upper end.
        steps = np.where(places > 0.5, -1e-5, 1e-5)
        points = np.tile(row, (len(columns) + 1, 1))
        points[:, columns] = places
        points[np.arange(len(columns)) + 1, columns] += steps
        found = -promise(points)
        return float(found[0]), (found[1:] - found[0]) / steps

    ended = minimize(
        loss, row[columns], jac=True, method="L-BFGS-B", bounds=[(0.0, 1.0)] * len(columns), options={"maxiter": 30}
    )
    moved = row.copy()
    moved[columns] = ended.x
    made = encoding.moved(values, moved)
    return None if made is None or encoding.space.rules.broken(made) else (-float(ended.fun), made)
