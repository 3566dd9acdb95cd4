"""The trials of a run as Optuna's estimator takes them. Importing it imports Optuna: half a second."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from domain.objectives import Objective, goals
from domain.space import Space
from domain.strategies.history import MOST
from domain.strategies.optuna_words import Line, Vocabulary
from domain.strategies.strategy import Observation
from domain.values import Json

_SOME_TIME = datetime(2000, 1, 1)  # Optuna wants times of its trials and makes no use of them
_NO_WORDS = -1
optuna.logging.set_verbosity(optuna.logging.WARNING)


class Told(NamedTuple):
    """Scored trials in their order, and behind them those that run."""

    lines: Line
    """One for each trial, a column for each parameter: nan where it has none."""
    reached: Line
    """What the scored ones have reached, by the first goal."""
    rows: Sequence["Row"]
    """The scored ones as Optuna's trials, where more than one number divides them; else none."""

    def of(self, columns: Sequence[int]) -> "Told":
        """Return the trials that have all of these parameters, and of these alone."""
        lines = self.lines[:, columns]
        having = np.flatnonzero(~np.isnan(lines).any(axis=1))
        scored = having[having < len(self.reached)]
        return Told(lines[having], self.reached[scored], [self.rows[place] for place in scored] if self.rows else ())


class Phrasebook:
    """The trials of one run in Optuna's words: what was said once is remembered, at most twice a bounded history."""

    def __init__(self, space: Space, objectives: Sequence[Objective]) -> None:
        self.words = Vocabulary(space)
        self.objectives, self.goals = objectives, goals(objectives)
        self.study = optuna.create_study(directions=[each.direction for each in self.goals])
        """One without trials: it says which way the goals go."""
        self._is_plain = len(self.goals) == 1 and all(each.threshold is None for each in objectives)
        self._forget()

    def told(self, history: Sequence[Observation], pending: Sequence[Mapping[str, Json]]) -> Told:
        """Return scored trials, and those that run; one that Optuna has no words for is left out."""
        places = self._places(history)
        running = [line for values in pending if (line := self.words.line(values)) is not None]
        lines = np.vstack([self._lines[places], *running])
        return Told(lines, self._reached[places], [self._rows[place] for place in places] if self._rows else ())

    def _places(self, history: Sequence[Observation]) -> NDArray[np.intp]:
        """Return where what is known of each trial stands; a trial is known by being the same, not by being equal."""
        fresh = [each for each in history if id(each) not in self._known]
        if len(self._trials) + len(fresh) > 2 * len(history) + MOST:
            self._forget()
            fresh = list(history)
        self._learn(fresh)
        places = np.array([self._known[id(each)] for each in history], dtype=np.intp)
        spoken: NDArray[np.intp] = places[places != _NO_WORDS]
        return spoken

    def _forget(self) -> None:
        self._known: dict[int, int] = {}
        self._trials: list[Observation] = []
        self._lines: Line = np.empty((0, len(self.words.free)))
        self._reached: Line = np.empty(0)
        self._rows: list[Row] = []

    def _learn(self, trials: Sequence[Observation]) -> None:
        self._trials += trials  # as long as none of them goes, no other is taken for it
        said = [(trial, self.words.line(trial.values)) for trial in trials]
        self._known |= {id(trial): _NO_WORDS for trial, line in said if line is None}
        spoken = {id(trial): (trial, line) for trial, line in said if line is not None}
        self._known |= {each: place for place, each in enumerate(spoken, len(self._lines))}
        self._lines = np.vstack([self._lines, *(line for _, line in spoken.values())])
        told = [[(trial.objectives or {})[each.name] for each in self.goals] for trial, _ in spoken.values()]
        self._reached = np.append(self._reached, [values[0] for values in told])
        if not self._is_plain:
            self._rows += [self._row(trial, values) for (trial, _), values in zip(spoken.values(), told, strict=True)]

    def _row(self, trial: Observation, values: list[float]) -> "Row":
        row = Row(
            number=trial.number,
            trial_id=-1,
            state=TrialState.COMPLETE,
            value=None,
            values=values,
            datetime_start=_SOME_TIME,
            datetime_complete=_SOME_TIME,
            params={},
            distributions={},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        for each in self.objectives:
            if each.threshold is not None:
                row.set_constraint(each.name, each.excess((trial.objectives or {})[each.name]))
        return row


class Row(FrozenTrial):  # type: ignore[misc, unused-ignore]
    """What a trial has reached, for Optuna to divide trials by; it does not change any more."""

    @cached_property
    def constraints(self) -> dict[str, float]:
        """What it is beyond each threshold: Optuna asks every trial at every suggestion."""
        return dict(super().constraints)

    def _validate(self) -> None:
        """Do nothing: rows are made of validated values, and checking a thousand again takes as long as adding them."""
