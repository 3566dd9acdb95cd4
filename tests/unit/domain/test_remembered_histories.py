"""What strategies remember between the questions of a run changes no answer, whatever order trials finish in."""

import random
from typing import Any

import optuna
import pytest
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator

from domain.objectives import Objective
from domain.sampling import random_configuration
from domain.space import Space
from domain.strategies import STRATEGIES, Observation, Question
from domain.strategies.following import Followed
from domain.strategies.history import MOST, Ranking, bounded
from domain.strategies.optuna_rows import Phrasebook
from domain.strategies.optuna_sampler import Estimator, Kernels

SPACE = Space.from_json(
    [
        {"name": "x", "float": {"low": 0, "high": 1}},
        {"name": "n", "integer": {"low": 1, "high": 40}},
        {"name": "c", "choice": {"choices": ["a", "b", "c"]}},
    ],
    [],
)
GAIN = Objective("gain")
COST = Objective("cost", direction="minimize")


def trials(count: int, seed: int, first: int = 1) -> list[Observation]:
    source = random.Random(seed)
    made = []
    for number in range(first, first + count):
        values = {"x": source.random(), "n": source.randint(1, 40), "c": source.choice("abc")}
        reached = {"gain": round(source.random(), 2), "cost": source.random()} if source.random() > 0.1 else None
        made.append(Observation(number, values, reached))
    return made


def question(finished: list[Observation], number: int, objectives: Any = (GAIN,), **more: Any) -> Question:
    pending = [{"x": 0.5, "n": 3, "c": "a"}]
    return Question(SPACE, objectives, finished, pending, number, number * 7, run_seed=3, budget=9999, **more)


@pytest.mark.parametrize("name", ["bayesian", "gaussian_process", "evolutionary"])
@pytest.mark.parametrize("objectives", [(GAIN,), (GAIN, COST)])
def test_a_warm_answer_is_the_cold_one(name: str, objectives: Any) -> None:
    """Over the bound, with trials that finish late, and with another history in between."""
    every, memory = trials(MOST + 40, 1), dict[str, Any]()
    late = [each for each in every if each.number % 97 == 0]
    steps = [every[:MOST], [each for each in every if each not in late], every, every[:MOST], every]
    for place, finished in enumerate(steps):
        warm = STRATEGIES[name].suggest(question(finished, 2000 + place, objectives, memory=memory))
        assert warm == STRATEGIES[name].suggest(question(finished, 2000 + place, objectives))


def test_a_ranking_kept_is_a_ranking_made() -> None:
    """Trials come one by one, some late; the bounded part is the same at every step."""
    every, ranking = trials(MOST + 60, 5), Ranking((GAIN,))
    known = every[:MOST]
    for each in random.Random(2).sample(every[MOST:], 60):
        known = sorted([*known, each], key=lambda trial: trial.number)
        assert ranking.bounded(known, 11) == bounded(known, (GAIN,), 11)


def test_a_history_is_followed_by_what_is_new_in_it() -> None:
    followed, every = Followed(), trials(200, 4)
    assert followed.fresh(every[:100]) == (every[:100], False)
    assert followed.fresh([*every[:50], *every[51:150]])[1], "one is missing: it is another history"
    assert followed.fresh(every[:150]) == ([every[50]], False)
    assert followed.fresh(every) == (every[150:], False)
    assert followed.fresh([*every[:-1], Observation(200, {}, None)])[1], "one is another: all are new"


class _OptunaKernels(Kernels):
    """Our widths, and Optuna's own density."""

    log_pdf = _ParzenEstimator.log_pdf


class _OptunaSampler(optuna.samplers.TPESampler):  # type: ignore[misc, unused-ignore]
    """Optuna's own way through a study, with our widths."""

    def __init__(self, seed: int) -> None:
        super().__init__(multivariate=True, constant_liar=True, seed=seed)
        self._parzen_estimator_cls = _OptunaKernels


_NUMBERS = Space.from_json(
    [
        {"name": "x", "float": {"low": 0, "high": 1}},
        {"name": "y", "float": {"low": 1e-4, "high": 10, "log": True}},
        {"name": "z", "float": {"low": -5, "high": 1}},
    ],
    [],
)
_BOUNDED = Objective("cost", direction="minimize", threshold=0.4)


@pytest.mark.parametrize("space", [SPACE, _NUMBERS], ids=["mixed", "numbers"])
@pytest.mark.parametrize(
    "objectives",
    [(GAIN,), (COST,), (GAIN, COST), (GAIN, _BOUNDED)],
    ids=["one", "one to minimize", "two", "one and a bound"],
)
@pytest.mark.parametrize("count", [12, 150])
def test_suggestions_are_those_of_a_study_that_was_told_everything(space: Space, objectives: Any, count: int) -> None:
    """Optuna's own way is the yardstick: trials added one by one, divided at each question, its own density."""
    source = random.Random(8)
    reached = [{"gain": round(source.random(), 1), "cost": source.random()} for _ in range(count)]
    history = [
        Observation(number, random_configuration(space, 8, number), each) for number, each in enumerate(reached, 1)
    ]
    book, running = Phrasebook(space, objectives), random_configuration(space, 9, 0)
    directions = [each.direction for each in book.goals]
    short = Estimator(book.words, book.told(history, [running]), book.study, seed=4)
    long = optuna.create_study(directions=directions, sampler=_OptunaSampler(seed=4))
    for each in history:
        long.add_trial(_trial(book, each.values, each.objectives))
    long.add_trial(_trial(book, running, None))
    for _ in range(5):
        assert short.drawn() == pytest.approx(long.ask(book.words.free).params, rel=1e-9)


def _trial(book: Phrasebook, values: Any, reached: Any) -> optuna.trial.FrozenTrial:
    """Returns a trial as Optuna makes it; one that runs where nothing is reached."""
    free, line = book.words.free, book.words.line(values)
    assert line is not None
    params = {name: each.to_external_repr(line[book.words.column[name]]) for name, each in free.items()}
    if reached is None:
        return optuna.trial.create_trial(params=params, distributions=free, state=optuna.trial.TrialState.RUNNING)
    made = optuna.trial.create_trial(
        params=params, distributions=free, values=[reached[each.name] for each in book.goals]
    )
    for each in book.objectives:
        if each.threshold is not None:
            made.set_constraint(each.name, each.excess(reached[each.name]))
    return made


def test_what_a_phrasebook_remembers_is_bounded() -> None:
    """Trials are known by being the same ones: others of the same numbers are told as they are."""
    book = Phrasebook(SPACE, (GAIN,))
    for seed in range(12):
        scored = [each for each in trials(300, seed) if each.objectives]
        assert book.told(scored, []).reached.tolist() == [each.objectives["gain"] for each in scored if each.objectives]
        assert len(book._trials) <= 3 * MOST
