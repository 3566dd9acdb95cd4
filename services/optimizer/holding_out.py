"""The last look: when a run's trials are done, the baseline and the best are evaluated once on the test split."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid5

from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure, HoldoutResult
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from ashgrove.program.v1.execution_pb2 import EvaluationResult
from google.protobuf.field_mask_pb2 import FieldMask

from domain.aggregation import AGGREGATIONS, Aggregation
from domain.holdout import Gain, gain_over
from domain.objectives import Objective, standing
from domain.space import Space
from domain.values import Json, content_hash
from framework.errors import DependencyUnavailable
from framework.rpc.channels import as_caller
from framework.structs import struct_of
from framework.tasks import stopped
from services.optimizer.application import Application
from services.optimizer.evaluating import Outcome, evaluate, granted
from services.optimizer.ledger import Ledger
from services.optimizer.objectives import aggregations_of, objectives_of
from services.optimizer.prompts import parameters

_VERDICTS = {
    "proven gain": HoldoutFigure.VERDICT_PROVEN_GAIN,
    "no proven gain": HoldoutFigure.VERDICT_NO_PROVEN_GAIN,
    "proven loss": HoldoutFigure.VERDICT_PROVEN_LOSS,
}
Row = Mapping[str, Any]


class LastLook:
    """The last look of one run; taken again after a takeover, it attaches to the evaluations that there are."""

    def __init__(self, application: Application, ledger: Ledger, run: dict[str, Any]) -> None:
        self.application = application
        self.ledger = ledger
        self.run = run
        self.objectives = objectives_of(run)
        self.found: HoldoutResult | None = None
        self.unfinished: list[dict[str, Any]] = []
        """What is being evaluated, as trials are: to be halted or cancelled with the run."""

    async def take(self, space: Space, trials: Sequence[Row]) -> None:
        """Leaves in `found` what the look says, nothing where none is wanted; raises GrantLost as trials do."""
        done = [each for each in trials if each["status"] == "STATUS_COMPLETED"]
        if self.run["holdout"] != "HOLDOUT_ON" or not done:
            return
        best = min(done, key=lambda each: (standing(each["objectives"], self.objectives), each["number"]))
        found, baseline = self._begun(space, done, best)
        looked = self._looked_at(space, found, baseline, best)
        results: dict[str, list[EvaluationResult]] = {each["id"]: [] for each in looked}
        outcomes = await self._evaluated(looked, results)
        for each in looked:
            usage = self.ledger.spending.of(each["id"])
            found.tokens += usage.tokens
            found.cost_micros += usage.cost_micros
        found.error = self._spent(len(outcomes) < len(looked)) or next((o.error for o in outcomes if o.error), "")
        if not found.error:
            found.example_count = outcomes[0].example_count
            pair = [(outcomes[i], _scored(results[looked[i]["id"]])) for i in (0, -1)]
            found.figures.extend(self._figures(pair[0], pair[1], best["objectives"]))
        found.test_looks = await self._test_looks()
        self.found = found

    def _begun(self, space: Space, done: Sequence[Row], best: Row) -> tuple[HoldoutResult, dict[str, Json]]:
        defaults = space.defaults()
        source = HoldoutResult.BASELINE_DEFAULTS if defaults is not None else HoldoutResult.BASELINE_FIRST_TRIAL
        baseline = defaults if defaults is not None else dict(min(done, key=lambda t: t["number"])["configuration"])
        return HoldoutResult(
            baseline=source,
            baseline_configuration=struct_of(baseline),
            best_trial_id=str(best["id"]),
        ), baseline

    def _looked_at(
        self, space: Space, found: HoldoutResult, baseline: Mapping[str, Json], best: Row
    ) -> list[dict[str, Any]]:
        """Returns what is evaluated, as trials are: both configurations, or the one that they are."""
        looked = [self._look("baseline", parameters(space, baseline))]
        if content_hash(dict(baseline)) != content_hash(dict(best["configuration"])):
            looked.append(self._look("best", parameters(space, best["configuration"])))
        found.baseline_evaluation_id, found.best_evaluation_id = (looked[i]["id"] for i in (0, -1))
        return looked

    def _look(self, what: str, configuration: Mapping[str, Json]) -> dict[str, Any]:
        # Whoever takes the run over finds the same evaluation by the same id.
        identifier = str(uuid5(UUID(str(self.run["id"])), f"holdout {what}"))
        counts = {"finished_count": 0, "example_count": 0, "tokens": 0, "cost_micros": 0}
        return {"id": identifier, "evaluation_id": identifier, "configuration": dict(configuration), **counts}

    async def _evaluated(
        self, looked: list[dict[str, Any]], results: Mapping[str, list[EvaluationResult]]
    ) -> list[Outcome]:
        """Returns the outcomes one after the other, fewer when a limit of the run was reached before."""
        outcomes: list[Outcome] = []
        for each in looked:
            if self.ledger.spending.reason:
                return outcomes
            self.unfinished = [each]
            evaluating = asyncio.create_task(
                evaluate(self.application, self.ledger, self.run, each, results[each["id"]])
            )
            spending = asyncio.create_task(self.ledger.spending.until_spent())
            try:
                await asyncio.wait([evaluating, spending], return_when=asyncio.FIRST_COMPLETED)
                if not evaluating.done():
                    return outcomes
                outcomes.append(evaluating.result())
                self.unfinished = []
            finally:
                await stopped([evaluating, spending])
        return outcomes

    def _spent(self, cut: bool) -> str:
        spent = self.ledger.spending.reason.removeprefix("END_REASON_").lower().replace("_", " ")
        return f"the run's limit of {spent} was reached before the test split was looked at" if cut else ""

    def _figures(
        self,
        baseline: tuple[Outcome, Mapping[str, Row]],
        best: tuple[Outcome, Mapping[str, Row]],
        validation: Mapping[str, float],
    ) -> list[HoldoutFigure]:
        hows = aggregations_of(self.run)
        made = []
        for objective in self.objectives:
            before, after = (_values(side[1], objective.name) for side in (baseline, best))
            both = sorted(before.keys() & after.keys())
            pairs = [before[one] for one in both], [after[one] for one in both]
            gain = gain_over(*pairs, objective.direction, _aggregation(hows[objective.name]), self.run["seed"])
            figure = _figure(objective, gain, best[0].objectives[objective.name], validation[objective.name])
            figure.baseline, figure.paired_count = baseline[0].objectives[objective.name], len(both)
            made.append(figure)
        return made

    async def _test_looks(self) -> int:
        request = GetDatasetRequest(id=str(self.run["dataset_id"]), read_mask=FieldMask(paths=["test_looks"]))
        while True:
            try:
                with granted("program"):
                    token = await self.application.tokens.exchange(str(self.run["grant_id"]))
                    dataset = await self.application.program.GetDataset(request, metadata=as_caller(token))
                    return int(dataset.test_looks)
            except DependencyUnavailable:
                await asyncio.sleep(0.5)


def _figure(objective: Objective, gain: Gain | None, best: float, validation: float) -> HoldoutFigure:
    optimism = objective.gain(validation) - objective.gain(best)
    figure = HoldoutFigure(metric=objective.name, best=best, validation=validation, optimism_gap=optimism)
    if gain is not None:
        figure.gain, figure.low, figure.high = gain.gain, gain.low, gain.high
        figure.verdict, figure.words = _VERDICTS[gain.verdict], gain.verdict
    return figure


def _scored(results: Sequence[EvaluationResult]) -> dict[str, dict[str, float]]:
    """Returns what each answered example scored, with what is known of every evaluation."""
    return {
        each.example_id: {"cost": float(each.cost_micros), "latency_ms": each.latency_ms, **each.scores}
        for each in results
        if not each.error
    }


def _values(scored: Mapping[str, Row], metric: str) -> dict[str, float]:
    return {example: row[metric] for example, row in scored.items() if metric in row}


def _aggregation(stored: str) -> Aggregation:
    """Returns how values become one; a run whose row does not say takes the mean."""
    named = stored.removeprefix("AGGREGATION_").lower()
    return next((each for each in AGGREGATIONS if each == named), "mean")
