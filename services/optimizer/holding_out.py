"""The last look: when a run's trials are done, the baseline and the best are evaluated once on the test split."""

from collections.abc import Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.holdout_pb2 import HoldoutFigure, HoldoutResult
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import SPLIT_TEST
from ashgrove.program.v1.dataset_requests_pb2 import GetDatasetRequest
from google.protobuf.field_mask_pb2 import FieldMask

from domain.holdout import Gain
from domain.objectives import Objective
from domain.space import Space
from domain.values import Json, content_hash
from framework.structs import struct_of
from services.optimizer.asides import Aside, Asides
from services.optimizer.asking import asking
from services.optimizer.objectives import objectives_of
from services.optimizer.paired import VERDICTS, Row, baseline_of, gains, scored
from services.optimizer.prompts import parameters
from services.optimizer.repeating import Best


class LastLook:
    """The last look of one run; taken again after a takeover, it attaches to the evaluations that there are."""

    def __init__(self, asides: Asides) -> None:
        self.asides = asides
        self.run = asides.run
        self.objectives = objectives_of(self.run)
        self.found: HoldoutResult | None = None

    async def take(self, space: Space, trials: Sequence[Row], named: Best) -> None:
        """Leaves in `found` what the look says, nothing where none is wanted; raises GrantLost as trials do."""
        done = [each for each in trials if each["status"] == "STATUS_COMPLETED"]
        if self.run["holdout"] != "HOLDOUT_ON":
            return
        await self.asides.ledger.say(RunEvent.TYPE_HOLDOUT_STARTED)
        best = named.trial
        source, baseline = baseline_of(space, done)
        found = HoldoutResult(
            baseline=source, baseline_configuration=struct_of(baseline), best_trial_id=str(best["id"])
        )
        looked = self._looked_at(space, baseline, best)
        ended = [each async for each in self.asides.evaluated(looked, SPLIT_TEST)]
        found.baseline_evaluation_id, found.best_evaluation_id = (looked[i]["id"] for i in (0, -1))
        usage = self.asides.used(looked)
        found.tokens, found.cost_micros = usage.tokens, usage.cost_micros
        found.error = self._missing(len(looked), ended)
        if not found.error:
            found.example_count = ended[0].outcome.example_count
            found.figures.extend(self._figures(ended[0], ended[-1], named.objectives))
        found.test_looks = await self._test_looks()
        self.found = found

    def _looked_at(self, space: Space, baseline: Mapping[str, Json], best: Row) -> list[dict[str, Any]]:
        """Returns what is evaluated, as trials are: both configurations, or the one that they are."""
        looked = [self.asides.wanted("holdout", parameters(space, baseline))]
        if content_hash(dict(baseline)) != content_hash(dict(best["configuration"])):
            looked.append(self.asides.wanted("holdout", parameters(space, best["configuration"])))
        return looked

    def _missing(self, count: int, ended: Sequence[Aside]) -> str:
        if len(ended) < count:
            return self.asides.spent("the test split was looked at")
        return next((each.outcome.error for each in ended if each.outcome.error), "")

    def _figures(self, baseline: Aside, best: Aside, validation: Mapping[str, float]) -> list[HoldoutFigure]:
        made = []
        for objective, gain, count in gains(self.run, scored(baseline.results), scored(best.results)):
            name = objective.name
            figure = _figure(objective, gain, best.outcome.objectives[name], validation[name])
            figure.baseline, figure.paired_count = baseline.outcome.objectives[name], count
            made.append(figure)
        return made

    async def _test_looks(self) -> int:
        application = self.asides.application
        request = GetDatasetRequest(id=str(self.run["dataset_id"]), read_mask=FieldMask(paths=["test_looks"]))
        dataset = await asking(
            application, self.run, "program", lambda caller: application.program.GetDataset(request, metadata=caller)
        )
        return int(dataset.test_looks)


def _figure(objective: Objective, gain: Gain | None, best: float, validation: float) -> HoldoutFigure:
    optimism = objective.gain(validation) - objective.gain(best)
    figure = HoldoutFigure(metric=objective.name, best=best, validation=validation, optimism_gap=optimism)
    if gain is not None:
        figure.gain, figure.low, figure.high = gain.gain, gain.low, gain.high
        figure.verdict, figure.words = VERDICTS[gain.verdict], gain.verdict
    return figure
