"""Noisy runs: when the trials are done, those that look best are evaluated afresh, and that alone names the best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ashgrove.optimizer.v1.repeats_pb2 import RepeatedTrial, RepeatsResult
from ashgrove.optimizer.v1.run_event_pb2 import RunEvent
from ashgrove.program.v1.dataset_pb2 import SPLIT_VALIDATION

from domain.repeating import (
    CANDIDATES,
    COUNT,
    FIRST_FRESH,
    Candidate,
    Tried,
    best_looking,
    deviations,
    means,
    ranked,
)
from domain.space import Space
from framework.failpoints import Failpoint
from framework.plain import made
from services.optimizer.asides import Aside, Asides
from services.optimizer.objectives import objectives_of
from services.optimizer.paired import Row, best_of
from services.optimizer.prompts import parameters
from services.optimizer.spending import Usage

REPEATED = Failpoint("run.repeated", "the best is named by fresh evaluations, and nothing that follows is begun")


@dataclass(frozen=True)
class Best:
    """The trial that a run names its best, what is known of it, and the evaluations that say so."""

    trial: Row
    objectives: Mapping[str, float]
    evaluation_ids: Sequence[str]


def fresh(run: Row) -> dict[str, RepeatedTrial]:
    """Returns the trials of a run's row that have fresh values, by id; none where there were no whole rounds."""
    found = made(RepeatsResult, run["repeats_result"] or {})
    return {each.trial_id: each for each in found.trials if each.objectives}


def named_by(run: Row, done: Sequence[Row]) -> Best:
    """Returns the best of a run's complete trials as its row names it, by fresh evaluations where it has such."""
    best_id = str(run["best_trial_id"])
    if (known := fresh(run).get(best_id)) is not None:
        trial = next(each for each in done if str(each["id"]) == best_id)
        return Best(trial, dict(known.objectives), list(known.evaluation_ids))
    trial = best_of(done, objectives_of(run))
    return Best(trial, trial["objectives"], [str(trial["evaluation_id"])])


class Repeats:
    """The fresh evaluations of one run; taken up again after a takeover, none of them is paid for twice."""

    def __init__(self, asides: Asides) -> None:
        self.asides = asides
        self.run: Row = asides.run
        self.objectives = objectives_of(self.run)
        self._paid: list[dict[str, Any]] = []

    async def best(self, space: Space, trials: Sequence[Row]) -> Best | None:
        """Returns the run's best, None while no trial is complete; what names it is written down. Raises GrantLost."""
        done = [each for each in trials if each["status"] == "STATUS_COMPLETED"]
        if not done:
            return None
        if self.run["repeats"] is not None and self.run["repeats_result"] is None:
            self.run = await self._taken(space, done)
            REPEATED()
        elif self.run["repeats_result"] is not None:
            self._charged(made(RepeatsResult, self.run["repeats_result"]))
        return named_by(self.run, done)

    async def _taken(self, space: Space, done: Sequence[Row]) -> Row:
        """Evaluates afresh what looks best, round by round, and returns the run's row with what came of it."""
        await self.asides.ledger.say(RunEvent.TYPE_REPEATS_STARTED)
        known = {each["number"]: each for each in done}
        tried = [Tried(each["number"], each["content_hash"], each["objectives"]) for each in done]
        chosen = best_looking(tried, self.objectives, self.run["repeats"].get("candidates") or CANDIDATES)
        count = self.run["repeats"].get("count") or COUNT
        rounds: list[list[Aside]] = []
        for number in range(count):
            # Whole rounds only: else whoever came first would be judged by more.
            if (whole := await self._round(space, [known[each.number] for each in chosen], number)) is None:
                break
            rounds.append(whole)
        result = RepeatsResult(rounds=len(rounds), error=self._cut(len(rounds), count))
        for place, each in enumerate(chosen):
            result.trials.append(_repeated(known[each.number], each, [one[place] for one in rounds]))
        self._name(result, done)
        usage = self.asides.used(self._paid)
        result.metric_calls, result.tokens, result.cost_micros = usage.metric_calls, usage.tokens, usage.cost_micros
        return await self.asides.ledger.repeated(result, known)

    async def _round(self, space: Space, chosen: Sequence[Row], number: int) -> list[Aside] | None:
        """Evaluates each once more, side by side; returns None when a limit of the run was reached before."""
        repeat = FIRST_FRESH + number
        wanted = [
            self.asides.wanted(f"repeat {repeat}", parameters(space, each["configuration"]), repeat) for each in chosen
        ]
        self._paid += wanted
        ended = [each async for each in self.asides.evaluated(wanted, SPLIT_VALIDATION)]
        is_whole = len(ended) == len(wanted) and all(e.outcome.error_class != "ERROR_CLASS_BUDGET" for e in ended)
        return ended if is_whole else None

    def _cut(self, rounds: int, wanted: int) -> str:
        if rounds == wanted:
            return ""
        if rounds:
            return self.asides.spent(f"more than {rounds} of {wanted} fresh evaluations of each were done")
        return f"{self.asides.spent('all were evaluated afresh')}: the best is named by its trial alone"

    def _name(self, result: RepeatsResult, done: Sequence[Row]) -> None:
        """Says which trial is the best: by fresh values where there are any."""
        known = {each.trial_number: each for each in result.trials if each.objectives}
        found = ranked((Candidate(number, each.objectives) for number, each in known.items()), self.objectives)
        best = known[found[0].number].trial_id if found else str(best_of(done, self.objectives)["id"])
        result.best_trial_id = best

    def _charged(self, result: RepeatsResult) -> None:
        """Notes what was used before another worker took the run: it counts against the limits."""
        usage = Usage(result.metric_calls, result.tokens, result.cost_micros)
        self.asides.ledger.spending.note("repeats", usage)


def _repeated(trial: Row, looked: Candidate, ended: Sequence[Aside]) -> RepeatedTrial:
    """Returns what became of a trial in each whole round."""
    sound = [each for each in ended if not each.outcome.error]
    reached: list[Any] = [each.outcome.objectives for each in sound]
    return RepeatedTrial(
        trial_id=str(trial["id"]),
        trial_number=trial["number"],
        looked=dict(looked.objectives),
        objectives=means(reached),
        deviations=deviations(reached),
        evaluation_ids=[each.id for each in sound],
        error=next((each.outcome.error for each in ended if each.outcome.error), ""),
    )
