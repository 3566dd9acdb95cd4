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
    """Asks the estimator of the scored trials in their order; the pending ones count as bad until they end."""
    from domain.strategies.optuna_rows import Phrasebook
    from domain.strategies.optuna_sampler import Estimator, at_random

    book: Phrasebook = question.memory.setdefault("optuna", Phrasebook(question.space, question.objectives))
    told, seed = book.told(history, question.pending), digest(question.seed, "tpe", size=4)
    if len(told.reached) < STARTUP:
        ask = at_random(book.words, seed)
    else:
        ask = Estimator(book.words, told, book.study, seed).drawn
    while True:
        # Each answer counts as a bad one, so that the next one keeps away from it.
        yield book.words.configuration(ask())
