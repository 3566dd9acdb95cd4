"""Scores what a program made of an example, by the metrics that come with the platform and by registered ones."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from domain.metrics import METRICS, Measure
from domain.values import Invalid, Json, normalise
from services.program.catalogue import base_of, measure_of
from services.program.code.contract import CodeFault, Promise
from services.program.code.session import Session
from services.program.running import Outcome

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
    """One example, what the program made of it, and how good that is."""

    example_id: UUID
    outcome: Outcome
    scores: Mapping[str, float]
    feedback: Mapping[str, str] = field(default_factory=dict)


class Judge:
    """Judges every outcome of one evaluation by the declared outputs; registered metrics run in its session."""

    def __init__(
        self,
        measures: Sequence[Measure],
        declared: Collection[str],
        metrics: Sequence[str] = (),
        session: Session | None = None,
        configuration: Mapping[str, Json] | None = None,
    ) -> None:
        self.measures = measures
        self._declared = declared
        self._registered = metrics
        self._session = session
        self._configuration = configuration or {}

    async def judged(self, example: Row, outcome: Outcome) -> Finished:
        """Scores an outcome; a failure, and what cannot be kept, gets each metric's worst value if there is one.

        Raises CodeFault when a registered metric breaks its promise.
        """
        if outcome.outputs is not None:
            try:
                return await self._scored(example, outcome, normalise(dict(outcome.outputs)))
            except Invalid as invalid:
                outcome = outcome.failed(f"the outputs cannot be kept: {invalid}", "BAD_OUTPUT")
        return Finished(example["id"], outcome, {m.name: m.worst for m in self.measures if m.worst is not None})

    async def _scored(self, example: Row, outcome: Outcome, outputs: dict[str, Json]) -> Finished:
        # What else a dataset holds is nobody's goal; a chain of thought's reasoning is compared with no one's.
        expected = {name: value for name, value in example["outputs"].items() if name in self._declared}
        scores = {m.name: METRICS[m.name].score(expected, outputs, {}) for m in self.measures if m.name in METRICS}
        feedback: dict[str, str] = {}
        for name in self._registered:
            assert self._session is not None, "who names registered metrics opens a session"
            given = {"inputs": example["inputs"], "outputs": example["outputs"]}
            said = await self._session.score(name, given, {"outputs": outputs}, outcome.trace, self._configuration)
            scores |= said.scores
            feedback |= {name: said.feedback} if said.feedback else {}
        wanted = {measure.name: scores[measure.name] for measure in self.measures}
        return Finished(example["id"], outcome, wanted, feedback)
