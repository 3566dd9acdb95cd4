"""A run's race, as its worker keeps it: what each example gave to the trials that run and to those of the front."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from ashgrove.program.v1.execution_pb2 import EvaluationResult

from domain.objectives import Objective
from domain.racing import FIRST, Verdict, imputed, judge, ordered, rungs
from services.optimizer.origins import batch_before

Given = dict[str, dict[str, float | None]]
"""By example and objective, what a trial got."""

_BY_EXAMPLE = ("", "AGGREGATION_UNSPECIFIED", "AGGREGATION_MEAN", "AGGREGATION_SUM")
Row = Mapping[str, Any]
_Measure = Callable[[EvaluationResult], float | None]


class Race:
    """Notes every example and says at each rung who is dropped; nothing is, in a run that does not race."""

    def __init__(
        self, run: Mapping[str, Any], objectives: Sequence[Objective], aggregations: Mapping[str, str]
    ) -> None:
        self.wanted = run["racing"]
        self.seed, self.objectives = run["seed"], objectives
        self.inherited = run["inherited_trials"]
        self.batch = run["parallelism"] if run["schedule"] == "SCHEDULE_SYNCHRONOUS" else 0
        self.measures = {each.name: _measure(each.name, aggregations.get(each.name, "")) for each in objectives}
        self._running: dict[int, Given] = {}
        self._full: dict[int, Given] = {}
        self._judged: dict[int, int] = {}

    @property
    def is_on(self) -> bool:
        """Whether the run races."""
        return self.wanted is not None

    def note(self, number: int, result: EvaluationResult) -> Verdict:
        """Notes what an example gave a running trial, and judges the trial when that completes a rung."""
        if not self.is_on:
            return Verdict(dropped=False)
        given = self._running.setdefault(number, {})
        given[result.example_id] = {name: measure(result) for name, measure in self.measures.items()}
        return self._verdict(number, given)

    def full(self, number: int, results: Collection[EvaluationResult]) -> None:
        """Notes a trial that was evaluated in full before this worker had the run."""
        measured = {each.example_id: {name: of(each) for name, of in self.measures.items()} for each in results}
        self._full[number] = measured

    def ended(self, number: int, *, in_full: bool, front: Collection[int]) -> None:
        """Notes that a trial has ended, and forgets all that are not on the front."""
        given = self._running.pop(number, None)
        self._judged.pop(number, None)
        if given is not None and in_full:
            self._full[number] = given
        for each in self._full.keys() - set(front):
            del self._full[each]

    def unknown(self, front: Collection[int]) -> set[int]:
        """Returns the trials of the front whose examples this worker has not seen."""
        return set(front) - self._full.keys() if self.is_on else set()

    def expected(self, number: int) -> dict[str, float]:
        """Returns what a dropped trial would likely have reached, by objective."""
        order, members = self._compared(number)
        own, others = _columns(self._running[number], order), [_columns(each, order) for each in members.values()]
        found = {each.name: imputed(own[each.name], [one[each.name] for one in others]) for each in self.objectives}
        return {name: value for name, value in found.items() if value is not None}

    def _verdict(self, number: int, given: Given) -> Verdict:
        order, members = self._compared(number)
        if not order:
            return Verdict(dropped=False)
        steps = rungs(len(order), self.wanted.get("first_rung") or FIRST)
        reached = self._judged.get(number, 0)
        if reached >= len(steps) - 1 or any(example not in given for example in order[: steps[reached]]):
            return Verdict(dropped=False)
        self._judged[number] = reached + 1
        columns = {at: _columns(each, order) for at, each in members.items()}
        margins = self.wanted.get("margins")
        return judge(_columns(given, order), columns, self.objectives, steps[reached], steps, margins)

    def _compared(self, number: int) -> tuple[list[str], dict[int, Given]]:
        """Returns the order of the examples, and the trials that a trial is compared with; none without a full one."""
        # What a synchronous run does must not depend on which trial of a batch ended first.
        before = batch_before(number, self.batch, self.inherited) if self.batch else number - 1
        members = {at: each for at, each in self._full.items() if at <= before}
        first = next(iter(members.values()), None)
        return (ordered(list(first), self.seed) if first else []), members


def _columns(given: Given, order: Sequence[str]) -> dict[str, list[float | None]]:
    names = next(iter(given.values()), {})
    return {name: [given.get(example, {}).get(name) for example in order] for name in names}


def _measure(objective: str, aggregation: str) -> _Measure:
    """Returns what an example says of an objective; None of one that is about all examples together."""
    if aggregation not in _BY_EXAMPLE or objective == "latency_ms":
        return lambda result: None
    if objective == "cost":
        return lambda result: None if result.error else float(result.cost_micros)
    return lambda result: result.scores.get(objective) if not result.error else None
