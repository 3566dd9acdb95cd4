"""Scores what a program made of an example, by the metrics that come with the platform and by registered ones."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from domain.metrics import METRICS, Measure
from domain.values import Invalid, normalise
from services.program.catalogue import base_of, measure_of
from services.program.code.contract import CodeFault, Promise
from services.program.code.session import Session
from services.program.running import Outcome
from services.program.scoring.scorer import Answered, Scorer, Verdict

Row = Mapping[str, Any]


def registered_among(metrics: Sequence[str]) -> list[str]:
    """Returns the registered metrics among those that somebody asks for, each once, parts by their metric's name."""
    return list(dict.fromkeys(base_of(name) for name in metrics if name not in METRICS))


def measures_of(metrics: Sequence[str], session: Session | None) -> list[Measure]:
    """Returns what is measured when somebody asks for these metrics, the registered ones loaded in a session.

    Raises CodeFault for a part that a metric does not have.
    """
    promises = session.promises if session else []
    found: dict[str, Measure] = {}
    for name in metrics:
        for measure in [METRICS[name].measure] if name in METRICS else _promised(name, promises):
            found[measure.name] = measure
    return list(found.values())


def _promised(name: str, promises: Sequence[Promise]) -> list[Measure]:
    its = [promise for promise in promises if base_of(promise.name) == base_of(name)]
    named = [measure_of(promise) for promise in its if name in (promise.name, base_of(promise.name))]
    if not named:
        there = ", ".join(promise.name for promise in its)
        raise CodeFault("UNREGISTERED", f"the metric {base_of(name)} has no part {name}; there are {there}")
    return named


@dataclass(frozen=True)
class Finished:
    """One example, what the program made of it, and how good that is; one that failed has no scores."""

    example_id: UUID
    outcome: Outcome
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By metric."""

    @property
    def scores(self) -> dict[str, float]:
        """Every score that a metric could say."""
        return {name: score for verdict in self.verdicts.values() for name, score in verdict.scores.items()}

    @property
    def feedback(self) -> dict[str, str]:
        """What metrics have to say, by metric."""
        return {name: verdict.feedback for name, verdict in self.verdicts.items() if verdict.feedback}

    @property
    def feedback_by_slot(self) -> dict[str, str]:
        """What metrics have to say about slots, a paragraph a metric."""
        said: dict[str, list[str]] = {}
        for verdict in self.verdicts.values():
            for slot, words in verdict.feedback_by_slot.items():
                said.setdefault(slot, []).append(words)
        return {slot: "\n".join(words) for slot, words in said.items()}

    def took(self, what: str) -> int:
        """Returns what the metrics' own calls took, of tokens or of money."""
        return sum(getattr(verdict, what) for verdict in self.verdicts.values())

    @property
    def cost_incomplete(self) -> bool:
        """Whether what it cost, of the program and of the metrics, is not exact."""
        return self.outcome.cost_incomplete or any(verdict.cost_incomplete for verdict in self.verdicts.values())


class Judge:
    """Judges every outcome of one evaluation by the declared outputs."""

    def __init__(self, measures: Sequence[Measure], declared: Collection[str], scorers: Sequence[Scorer]) -> None:
        self._wanted = {measure.name for measure in measures}
        self._declared = declared
        self._scorers = scorers

    async def judged(self, example: Row, outcome: Outcome) -> Finished:
        """Scores an outcome; a failure, and what cannot be kept, has no score.

        Raises CodeFault when a registered metric breaks its promise, ModelAway and ModelRejected when a judge does.
        """
        if outcome.outputs is None:
            return Finished(example["id"], outcome)
        try:
            outputs = normalise(dict(outcome.outputs))
        except Invalid as invalid:
            return Finished(example["id"], outcome.failed(f"the outputs cannot be kept: {invalid}", "BAD_OUTPUT"))
        # What else a dataset holds is nobody's goal; a chain of thought's reasoning is compared with no one's.
        expected = {name: value for name, value in example["outputs"].items() if name in self._declared}
        answered = Answered(example, expected, outputs, outcome.trace)
        verdicts = {scorer.name: self._of(await scorer.score(answered)) for scorer in self._scorers}
        return Finished(example["id"], outcome, verdicts)

    def _of(self, verdict: Verdict) -> Verdict:
        return replace(verdict, scores={n: s for n, s in verdict.scores.items() if n in self._wanted})
