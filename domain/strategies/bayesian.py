"""The bayesian strategy: Optuna's tree-structured Parzen estimator, fed from our rows at every suggestion.

There is no sampler to keep between suggestions: the study is rebuilt from the bounded history each time. So there is
nothing to lose in a takeover, and nothing that could disagree with the rows.
"""

from collections.abc import Iterator, Sequence

from domain.seeds import digest
from domain.strategies.strategy import Observation, Question
from domain.values import Json

STARTUP = 10
"""How many scored trials there must be before the estimator has anything to say."""


def estimated(question: Question, history: Sequence[Observation]) -> Iterator[dict[str, Json]]:
    """Rebuilds the study: scored trials in their order, then pending ones, which count as bad until they end."""
    import optuna

    from domain.strategies.optuna_rows import Vocabulary, rows
    from domain.strategies.optuna_sampler import KnownSpaceSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    words = Vocabulary(question.space)
    sampler = KnownSpaceSampler(words, seed=digest(question.seed, "tpe", size=4), n_startup_trials=STARTUP)
    study = optuna.create_study(directions=[each.direction for each in question.objectives], sampler=sampler)
    study.add_trials(rows(words, question.objectives, history, question.pending))
    while True:
        # Each answer stays in the study as a running trial, so that the next one keeps away from it.
        yield words.configuration(study.ask(words.free).params)
