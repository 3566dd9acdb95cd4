"""Which variable earned what: the best with one variable at a time set back, evaluated on the validation split."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ashgrove.optimizer.v1.ablation_pb2 import AblationFigure, AblationResult, VariableAblation
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import SPLIT_VALIDATION

from domain.ablation import SetBack, set_back
from domain.space import Space
from domain.values import Json, content_hash
from framework.structs import struct_of, value_of
from services.optimizer.asides import Asides
from services.optimizer.evaluating import results_of
from services.optimizer.objectives import objectives_of
from services.optimizer.paired import VERDICTS, Row, Scored, baseline_of, gains, scored, together
from services.optimizer.prompts import parameters
from services.optimizer.repeating import Best

SHARE = 5
"""For how many complete trials one variable is set back, unless all are wanted."""
_Measured = tuple[Mapping[str, float], Scored]
"""What the best came to, by objective, and what each example gave it."""
_LEFT_OUT = "left out: one variable in five complete trials is set back; ABLATION_FULL sets back all"


class Ablation:
    """The ablation of one run's best; what a trial has tried already is read and not paid for again."""

    def __init__(self, asides: Asides) -> None:
        self.asides = asides
        self.run = asides.run
        self.objectives = objectives_of(self.run)
        self.found: AblationResult | None = None
        self._paid: list[dict[str, Any]] = []

    async def take(self, space: Space, trials: Sequence[Row], named: Best) -> None:
        """Leaves in `found` what each variable earned, nothing where it is not wanted; raises GrantLost."""
        done = [each for each in trials if each["status"] == "STATUS_COMPLETED"]
        most = self._most(len(done))
        if not most:
            return
        await self.asides.ledger.say(RunEvent.TYPE_ABLATION_STARTED)
        best = named.trial
        source, baseline = baseline_of(space, done)
        found = AblationResult(
            baseline=source, baseline_configuration=struct_of(baseline), best_trial_id=str(best["id"])
        )
        changes = list(set_back(space, best["configuration"], baseline))
        found.variables.extend(_told(each, best["configuration"], baseline) for each in changes)
        tried = {each["content_hash"]: each for each in done}
        whole = await self._whole(named) if changes else {}
        for place, each in enumerate(changes):
            if place >= most:
                found.variables[place].error = found.variables[place].error or _LEFT_OUT
            elif each.values:
                await self._ablate(space, each, found.variables[place], (named.objectives, whole), tried)
        self._charge(found)
        self.found = found

    def _most(self, complete: int) -> int:
        if self.run["ablation"] == "ABLATION_FULL":
            return 10_000
        return complete // SHARE if self.run["ablation"] == "ABLATION_SHARE" else 0

    async def _ablate(
        self, space: Space, one: SetBack, told: VariableAblation, best: _Measured, tried: Mapping[str, Row]
    ) -> None:
        """Fills in what a variable earned, or why that is not known."""
        twin = tried.get(content_hash(one.values))
        if twin is not None:
            told.evaluation_id, told.trial_number = str(twin["evaluation_id"]), twin["number"]
            reached, results = twin["objectives"], await self._results(told.evaluation_id)
        else:
            wanted = self.asides.wanted("ablation", parameters(space, one.values))
            self._paid.append(wanted)
            ended = [each async for each in self.asides.evaluated([wanted], SPLIT_VALIDATION)]
            if not ended or ended[0].outcome.error:
                told.error = ended[0].outcome.error if ended else self.asides.spent("it was set back")
                return
            told.evaluation_id = wanted["id"]
            reached, results = ended[0].outcome.objectives, ended[0].results
        told.figures.extend(self._figures(best, reached, scored(results)))

    def _figures(self, best: _Measured, reached: Mapping[str, float], without: Scored) -> Iterator[AblationFigure]:
        for objective, gain, count in gains(self.run, without, best[1]):
            name = objective.name
            figure = AblationFigure(metric=name, best=best[0][name], without=reached[name])
            figure.paired_count = count
            if gain is not None:
                figure.earned, figure.low, figure.high = gain.gain, gain.low, gain.high
                figure.verdict, figure.words = VERDICTS[gain.verdict], gain.verdict
            yield figure

    async def _whole(self, named: Best) -> Scored:
        """Returns what each example gave the best: on the average, where it was evaluated afresh."""
        return together([scored(await self._results(each)) for each in named.evaluation_ids])

    async def _results(self, evaluation_id: str) -> Any:
        return await results_of(self.asides.application, self.run, evaluation_id)

    def _charge(self, found: AblationResult) -> None:
        usage = self.asides.used(self._paid)
        found.metric_calls, found.tokens, found.cost_micros = usage.metric_calls, usage.tokens, usage.cost_micros


def _told(one: SetBack, best: Mapping[str, Json], baseline: Mapping[str, Json]) -> VariableAblation:
    name = one.variable
    return VariableAblation(
        variable=name, best=value_of(best[name]), baseline=value_of(baseline[name]), error=one.error
    )
