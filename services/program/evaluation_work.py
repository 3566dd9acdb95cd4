"""Does one evaluation: the examples that have no result yet, a few at a time, each committed when it is finished."""

import logging
import math
from asyncio import Future
from collections import deque
from collections.abc import Coroutine, Sequence
from datetime import UTC
from typing import Any

from ashgrove.program.v1 import program_pb2
from psycopg.types.json import Jsonb

from domain.pricing import NANOS, micros
from domain.racing import ordered
from framework.failpoints import Failpoint
from framework.storage import FENCE, Leases, clock_time
from framework.tasks import together
from services.program import tracing
from services.program.code.contract import CodeFault
from services.program.committing import Committing
from services.program.halting import paused
from services.program.judging import Finished, Judge, measures_of, registered_among
from services.program.lm.patience import waiting_at_most
from services.program.metering.earlier import spent_before
from services.program.metering.work import Budget, inside
from services.program.opening import opened
from services.program.resources.evaluation import Evaluation
from services.program.resources.execution import ENDED
from services.program.resources.program import Program
from services.program.results import GivenUp, Results, Unmeasured
from services.program.running import ModelAway, ModelRejected, Outcome, Run, class_column, failed_by, shown
from services.program.scoring.making import scorers_of
from services.program.waking import halted, topic
from services.program.working import (
    LeaseLost,
    Row,
    Workshop,
    example_seed,
    examples_of,
    held,
    kept,
    pinned_program,
    training_of,
    work_of,
)

ABANDONED_SECONDS = 60.0
RUN_PATIENCE_SECONDS = 2.0
"""How long at once a model is waited for on behalf of a run, which has other trials go on meanwhile."""
APART_SECONDS = 0.02
"""How far apart results are committed that no example waits for."""
ANSWERED = Failpoint("result.answered", "an example is answered and paid for, and its result not written down")
KEPT = Failpoint("result.kept", "results are committed, and nobody has heard of them")
ENDING = Failpoint("evaluation.ending", "every result of an evaluation is kept, and it has not ended")
_log = logging.getLogger(__name__)


_USED_BY_RUN = """
SELECT (SELECT run_allowance FROM evaluations WHERE organization_id = %(organization_id)s AND id = %(id)s) AS allowed,
       coalesce(sum(finished_count), 0)::bigint AS metric_calls,
       coalesce(sum(input_tokens + output_tokens + metric_input_tokens + metric_output_tokens), 0)::bigint AS tokens,
       coalesce(sum(cost_micros + metric_cost_micros), 0)::bigint AS cost_micros
FROM evaluations WHERE organization_id = %(organization_id)s AND run_id = %(run_id)s
"""


class EvaluationWork:
    """The work on one claimed evaluation."""

    def __init__(self, workshop: Workshop, leases: Leases, row: Row) -> None:
        self.workshop = workshop
        self.leases = leases
        self.row = row
        self.results = Results(workshop.database, row)
        limit = row["max_cost_micros"]
        counted = bool(int((row["run_allowance"] or {}).get("cost_micros", 0)))
        self.work = work_of(row, Budget(None if limit is None else limit * NANOS, counted=counted))
        self._longest_wait = math.inf if row["run_id"] is None else RUN_PATIENCE_SECONDS
        self._refused: ModelRejected | None = None
        """Why a call was not made that the limit has no room for."""
        self._direction = ""
        """Which way the first metric is better, once that is known."""
        self._cut: GivenUp | None = None
        """Why no further example begins, where the run has used what it may."""
        self._keeping = Committing(self._committed, APART_SECONDS)
        self._answered = row["finished_count"] > row["failed_count"]

    async def do(self) -> None:
        """Works until the evaluation has ended; leaves it alone as soon as somebody else has it or it was halted."""
        try:
            with tracing.working("evaluation", self.row), inside(self.work):
                await held(self.workshop, self.leases, self.row, self._run(), self._abandoned)
            ENDING()
            await self._end("complete")
        except LeaseLost:
            _log.info("evaluation %s was halted or taken over", self.row["id"])
        except ModelAway as away:
            if self.row["run_id"] is None:
                await self._end("fail", shown(str(away)), away.error_class)
            else:
                await self._wait(away)
        except (ModelRejected, CodeFault, Unmeasured, GivenUp) as fault:
            await self._end("fail", shown(str(fault)), fault.error_class)

    async def _wait(self, away: ModelAway) -> None:
        """Pauses what a run asked for while its model is away: the run asks again, and has others go on meanwhile."""
        call, identifier = self.workshop.call(self.row, "PauseEvaluation"), str(self.row["id"])
        columns = {"error": shown(str(away)), "error_class": class_column(away.error_class)}
        token = self.row["fencing_token"]
        await paused(call, identifier, lambda row: bool(row["fencing_token"] == token), columns)

    async def _abandoned(self, state: Row) -> bool:
        """Pauses what a run asked for and nobody listens to any more, and says whether it did."""
        # Both times are the database's.
        if state["run_id"] is None or (state["now"] - state["attached_at"]).total_seconds() < ABANDONED_SECONDS:
            return False
        call = self.workshop.call(self.row, "PauseEvaluation")
        # Unless somebody has come back since, or taken it over.
        same = ("fencing_token", "attached_at")
        await paused(call, str(self.row["id"]), lambda row: all(row[name] == state[name] for name in same))
        return True

    async def _run(self) -> None:
        """Runs what has no result yet; raises Unmeasured when there is a measure without any value."""
        registered = registered_among(self.row["metrics"])
        database, configuration = self.workshop.database, self.row["configuration"] or {}
        program, train, examples = await self._pinned()
        inputs = [field.name for field in program.signature_config.inputs]
        whose = self.row["organization_id"]
        if self.work.budget.limit_nanos is not None:
            self.work.budget.spent_nanos = await spent_before(database, self.row)
        async with opened(self.workshop, program, configuration, train, registered, organization_id=whose) as its:
            measures = measures_of(self.row["metrics"], its.session)
            self._direction = measures[0].direction
            await self.results.load(measures)
            todo = deque(e for e in self._in_order(examples) if e["id"] not in self.results.finished)
            declared = {field.name for field in program.signature_config.outputs}
            judge = Judge(measures, declared, await scorers_of(self.workshop, self.row, registered, its.session))
            try:
                await together([self._lane(its.run, judge, todo, inputs) for _ in range(its.at_once)])
            finally:
                await self._keeping.close()
        self._check_spent(len(todo))
        self.results.check_measured()

    async def _pinned(self) -> tuple[program_pb2.Program, list[dict[str, Any]], list[dict[str, Any]]]:
        """Returns the program, the examples to learn from and those to run."""
        database, row = self.workshop.database, self.row
        reading: list[Coroutine[Any, Any, Any]] = [training_of(database, row), examples_of(database, row, row["split"])]
        program, train, examples = await together([pinned_program(database, row), *reading])
        return program, train, examples

    def _check_spent(self, left: int) -> None:
        """Raises GivenUp when a limit had no room for what is left."""
        if self._cut is not None and left:
            raise self._cut
        if self._refused is not None and left:
            raise GivenUp("BUDGET", f"{self._refused}; {left} of {self.row['example_count']} examples are left to do")

    def _in_order(self, examples: Sequence[Row]) -> Sequence[Row]:
        """Returns the examples as they come; of a run in its own order: its trials are compared by their first ones."""
        if self.row["run_id"] is None:
            return examples
        places = {each: at for at, each in enumerate(ordered([str(e["id"]) for e in examples], self.row["seed"]))}
        return sorted(examples, key=lambda example: places[str(example["id"])])

    async def _lane(self, run: Run, judge: Judge, todo: deque[Row], inputs: list[str]) -> None:
        """Runs examples one after the other; while one runs, the result of the last is committed."""
        keeping: Future[None] | None = None
        try:
            while todo and not self.results.spent:
                if keeping is not None and self.row["run_allowance"]:
                    await self._keeping.committed(keeping)  # what the run has used is what is committed
                # While the books are read, other lanes take what is left.
                if await self._run_has_spent() or not todo:
                    break
                finished = await self._finished(run, judge, todo, inputs)
                if finished is None:
                    break
                before, keeping = keeping, self._keeping.add(finished)
                self.results.note(finished)
                if before is not None:
                    await self._keeping.committed(before)
        except Exception:
            if keeping is not None:
                await self._keeping.committed(keeping)  # it is paid for
            raise
        if keeping is not None:
            await self._keeping.committed(keeping)
        self.results.check_budget()

    async def _run_has_spent(self) -> bool:
        """Tells whether the run has used all that it may, and notes it: what is under way comes to its end."""
        if not self.row["run_allowance"]:
            return False
        async with self.workshop.database.system() as tx:
            used = await tx.fetch_one(_USED_BY_RUN, self.row)
        assert used is not None
        allowed = used.pop("allowed") or {}
        reached = next((name for name, most in allowed.items() if used[name] >= int(most)), "")
        if reached:
            told = f"stopped: the run's limit of {reached.replace('_', ' ')} was reached"
            self._cut = GivenUp("RUN_LIMIT", told)
        return bool(reached)

    async def _finished(self, run: Run, judge: Judge, todo: deque[Row], inputs: list[str]) -> Finished | None:
        """Runs the next example; returns None, and leaves it to do, when the limit has no room for it."""
        example = todo.popleft()
        given = {name: example["inputs"][name] for name in inputs if name in example["inputs"]}
        try:
            return await judge.judged(example, await self._outcome(run, example, given))
        except ModelRejected as fault:
            if not self._over(fault):
                raise
            # What other lanes have set aside may come to less: the last of them tells for good.
            todo.appendleft(example)
            self._refused = fault
            return None

    def _over(self, fault: ModelAway | ModelRejected) -> bool:
        """Tells whether a call was refused because of what the evaluation may cost."""
        return fault.error_class == "BUDGET" and self.work.budget.limit_nanos is not None

    async def _outcome(self, run: Run, example: Row, inputs: dict[str, Any]) -> Outcome:
        seed = example_seed(self.row["seed"], example["position"], self.row["repeat"])
        try:
            with waiting_at_most(self._longest_wait):
                outcome = await run(inputs, seed)
        except (ModelAway, ModelRejected) as fault:
            if self._is_of_all(fault):
                raise
            return failed_by(fault)
        self._answered = True
        return outcome

    def _is_of_all(self, fault: ModelAway | ModelRejected) -> bool:
        """Tells whether a failure is not one example's: the model never answered, may not be asked, or is waited for.

        A run waits, and has other trials go on; an evaluation of its own bears as many failures as it was told.
        """
        waited_for = isinstance(fault, ModelAway) and self.row["run_id"] is not None
        return waited_for or not self._answered or self._over(fault)

    async def _committed(self, batch: Sequence[Finished]) -> None:
        ANSWERED()
        await kept(lambda again: self.results.keep(batch, again=again))
        KEPT()
        await self.workshop.engine.hints.publish(topic("evaluation", self.row["id"]))

    async def _end(self, move: str, error: str = "", error_class: str = "") -> None:
        """Ends the evaluation under its lease; one that has ended already stays as it is."""
        call, identifier = self.workshop.call(self.row, "EvaluateProgram"), str(self.row["id"])
        async with call.transaction() as tx:
            row = await self.leases.held(tx, dict(self.row))
            if row is None or row["status"] in ENDED:
                return
            columns = {"error": error, "error_class": class_column(error_class), "completed_at": clock_time()}
            columns |= self._spent(row)
            if move == "complete":
                columns["direction"] = f"DIRECTION_{self._direction.upper()}"
            ended = await call.settle(Evaluation, row, columns, move=move, fence=FENCE)
            if move == "complete" and self.row["run_id"] is None:
                evaluated_at = ended.completed_at.ToDatetime(UTC).isoformat()
                told = {"scores": self.results.scores, "evaluation_id": identifier, "evaluated_at": evaluated_at}
                # An archived program too is told what its last evaluation said.
                columns = {"performance_metrics": Jsonb(told)}
                await call.update(Program, str(self.row["program_id"]), columns, move="evaluated")
        await self.workshop.engine.hints.publish(halted(identifier))

    def _spent(self, row: Row) -> dict[str, Any]:
        """Returns the cost with what unfinished examples took: under a limit, all that was spent is told."""
        if self.work.budget.limit_nanos is None:
            return {}
        of_program = micros(self.work.budget.spent_nanos) - row["metric_cost_micros"]
        return {"cost_micros": max(row["cost_micros"], of_program)}
