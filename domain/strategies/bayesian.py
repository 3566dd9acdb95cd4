"""The bayesian strategy: Optuna's tree-structured Parzen estimator, fed from our rows at every suggestion.

There is no sampler to keep between suggestions: each has a study of its own over the bounded history. What a trial is
in Optuna's words is remembered, so that a warm suggestion costs less than Optuna's own; there is nothing to lose in a
takeover, and nothing that could disagree with the rows.
"""

from collections.abc import Iterator, Sequence

from domain.seeds import digest
from domain.strategies.strategy import Observation, Question
from domain.values import Json

STARTUP = 10
"""How many scored trials there must be before the estimator has anything to say."""


def estimated(question: Question, history: Sequence[Observation]) -> Iterator[dict[str, Json]]:
    """Asks a study of the scored trials in their order, then the pending ones, which count as bad until they end."""
    import optuna

    from domain.strategies.optuna_rows import Phrasebook
    from domain.strategies.optuna_sampler import KnownSpaceSampler

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    book: Phrasebook = question.memory.setdefault("optuna", Phrasebook(question.space, question.objectives))
    told = book.told(history, question.pending)
    sampler = KnownSpaceSampler(book.words, told, seed=digest(question.seed, "tpe", size=4), n_startup_trials=STARTUP)
    # A study without trials, which the sampler knows better: Optuna's looks at each of them at every step.
    study = optuna.create_study(directions=[each.direction for each in book.goals], sampler=sampler)
    while True:
        yield book.words.configuration(study.ask(book.words.free).params)
