"""The bayesian strategy: Optuna's tree-structured Parzen estimator, fed from our rows at every suggestion.

There is no sampler to keep between suggestions: the study is rebuilt from the bounded history each time. So there is
nothing to lose in a takeover, and nothing that could disagree with the rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice

from domain.objectives import Objective
from domain.sampling import random_configuration
from domain.seeds import Draw, digest
from domain.space import Space
from domain.strategies.history import bounded
from domain.strategies.strategy import Observation
from domain.values import Json

STARTUP = 10
"""How many scored trials there must be before the estimator has anything to say."""

TRIES = 4
"""How often a configuration that was tried already is asked for again before chance looks for one that was not.

Four times as often where there are constraints, which the estimator does not know.
"""

DRAWS = 64
"""How long chance looks: a space in which all these were tried is taken for exhausted."""


class BayesianStrategy:
    """Proposes the defaults, then ten draws at random, then what promises most by the trials so far."""

    def suggest(
        self,
        space: Space,
        objectives: Sequence[Objective],
        finished: Sequence[Observation],
        pending: Sequence[Mapping[str, Json]],
        number: int,
        seed: int,
        *,
        run_seed: int,
        budget: int,
    ) -> dict[str, Json]:
        """Return a configuration; one that was not tried yet unless such are hard to find. Raises Unsatisfied."""
        if not finished and not pending and (defaults := space.defaults()) is not None:
            return defaults
        history = bounded(finished, objectives)
        if len(history) < STARTUP:
            candidates = _drawn(space, seed, "startup")
        else:
            candidates = _estimated(space, objectives, history, pending, seed)
        tries = TRIES * 4 if space.rules.may_break else TRIES
        others = chain(islice(candidates, tries), islice(_drawn(space, seed, "untried"), DRAWS))
        return _fresh(space, others, [*(each.values for each in finished), *pending], seed)


def _fresh(
    space: Space, candidates: Iterator[dict[str, Json]], tried: Sequence[Mapping[str, Json]], seed: int
) -> dict[str, Json]:
    """Return the first valid candidate that was not tried, else the first valid one, else what sampling finds.

    In a small space the estimator repeats what is best: trials without news, while other configurations wait.
    """
    first = None
    for candidate in candidates:
        if space.rules.broken(candidate):
            continue
        # Python's equality is quick and takes 1 for true; that costs one more try at worst.
        if candidate not in tried:
            return candidate
        first = candidate if first is None else first
    return first if first is not None else random_configuration(space, seed, 0)


def _drawn(space: Space, seed: int, purpose: str) -> Iterator[dict[str, Json]]:
    source = Draw(seed, purpose)
    while True:
        yield space.draw(source)


def _estimated(
    space: Space,
    objectives: Sequence[Objective],
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, Json]],
    seed: int,
) -> Iterator[dict[str, Json]]:
    """Rebuilds the study: scored trials in their order, then pending ones, which count as bad until they end."""
    import optuna

    from domain.strategies.optuna_rows import Vocabulary, rows
    from domain.strategies.optuna_sampler import KnownSpaceSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    words = Vocabulary(space)
    sampler = KnownSpaceSampler(words, seed=digest(seed, "tpe", size=4), n_startup_trials=STARTUP)
    study = optuna.create_study(directions=[each.direction for each in objectives], sampler=sampler)
    study.add_trials(rows(words, objectives, history, pending))
    while True:
        # Each answer stays in the study as a running trial, so that the next one keeps away from it.
        yield words.configuration(study.ask(words.free).params)
