"""What clients tell from the middle of a trial: values by step, and examples with scores, feedback and traces."""

from collections.abc import Mapping
from typing import Any

from ashgrove.optimizer.v1 import external_requests_pb2 as pb
from ashgrove.optimizer.v1 import run_event_pb2
from psycopg.types.json import Jsonb

from framework.engine import Call
from framework.errors import FieldViolation, InvalidFields, LimitReached
from framework.plain import made, plain
from framework.resource import action
from services.optimizer.external.taking import in_turn
from services.optimizer.external.turn import Turn
from services.optimizer.resources import OptimizationRun, Trial
from services.optimizer.results import about
from services.optimizer.spending import noted

MOST_STEPS, MOST_EXAMPLES = 10_000, 100_000
"""How much a client may report of one trial."""
SHOWN = 1000
"""How many examples an answer has at most."""
_Event = run_event_pb2.RunEvent
_MEASURE = """
INSERT INTO trial_measurements (organization_id, trial_id, step, reported)
SELECT %(organization)s, %(trial)s, (told ->> 'step')::bigint, told -> 'reported'
FROM jsonb_array_elements(%(told)s) AS told
ON CONFLICT (organization_id, trial_id, step) DO UPDATE SET reported = excluded.reported
"""
_COUNT = "SELECT count(*) AS count FROM {table} WHERE organization_id = %(organization)s AND trial_id = %(trial)s"
_EXEMPLIFY = """
WITH added AS (
    INSERT INTO trial_examples (organization_id, trial_id, example_id, repeat, tokens, cost_micros, reported)
    SELECT %(organization)s, %(trial)s, told ->> 'example_id', (told ->> 'repeat')::integer,
           (told ->> 'tokens')::bigint, (told ->> 'cost_micros')::bigint, told -> 'reported'
    FROM jsonb_array_elements(%(told)s) AS told
    ON CONFLICT (organization_id, trial_id, example_id, repeat) DO NOTHING
    RETURNING tokens, cost_micros
)
UPDATE trials SET finished_count = finished_count + (SELECT count(*) FROM added),
       tokens = tokens + (SELECT coalesce(sum(tokens), 0) FROM added)::bigint,
       cost_micros = cost_micros + (SELECT coalesce(sum(cost_micros), 0) FROM added)::bigint,
       lock_version = lock_version + 1
WHERE organization_id = %(organization)s AND id = %(trial)s
RETURNING finished_count, tokens, cost_micros, (SELECT count(*) FROM added) AS added
"""
_STEPS = """
SELECT reported FROM trial_measurements WHERE organization_id = %(organization_id)s AND trial_id = %(id)s
ORDER BY step LIMIT %(most)s
"""
_EXAMPLES = """
SELECT position, reported FROM trial_examples
WHERE organization_id = %(organization_id)s AND trial_id = %(id)s AND position > %(after)s
ORDER BY position LIMIT %(most)s
"""


@action(OptimizationRun, "ReportMeasurements")
async def report_measurements(call: Call, request: pb.ReportMeasurementsRequest) -> pb.ReportMeasurementsResponse:
    """Notes values by step; see `ReportMeasurements`."""
    _check(request, "measurements", [each.values for each in request.measurements], "values")
    told = [{"step": each.step, "reported": plain(each)} for each in _latest(request.measurements).values()]

    async def measured(at: Turn) -> pb.ReportMeasurementsResponse:
        trial = await _held(at, request.client, request.number)
        ids = at.ids | {"trial": trial["id"]}
        await at.tx.execute(_MEASURE, ids | {"told": Jsonb(told)})
        await _bound(at, "trial_measurements", ids, MOST_STEPS)
        newest = max(request.measurements, key=lambda each: each.step)
        await at.say(about(trial, _Event.TYPE_TRIAL_PROGRESSED, objectives=newest.values))
        return pb.ReportMeasurementsResponse(standing=at.standing(await at.spent()))

    answer: pb.ReportMeasurementsResponse = await in_turn(call, request.id, "ReportMeasurements", measured)
    return answer


@action(OptimizationRun, "ReportExamples")
async def report_examples(call: Call, request: pb.ReportExamplesRequest) -> pb.ReportExamplesResponse:
    """Notes examples, each once; see `ReportExamples`."""
    _check(request, "examples", [each.scores for each in request.examples], "scores")
    if faults := [
        FieldViolation(f"examples[{i}].error_class", "must come with an error")
        for i, each in enumerate(request.examples)
        if each.error_class and not each.error
    ]:
        raise InvalidFields(*faults)
    told = [
        {
            "example_id": each.example_id,
            "repeat": each.repeat,
            "tokens": each.tokens,
            "cost_micros": each.cost_micros,
            "reported": plain(each),
        }
        for each in request.examples
    ]

    async def exemplified(at: Turn) -> pb.ReportExamplesResponse:
        trial = await _held(at, request.client, request.number)
        ids = at.ids | {"trial": trial["id"]}
        (counted,) = await at.tx.fetch(_EXEMPLIFY, ids | {"told": Jsonb(told)})
        if counted["finished_count"] > MOST_EXAMPLES:
            raise _too_many("examples", MOST_EXAMPLES)
        added = counted.pop("added")
        before = noted(trial)
        trial |= counted
        await at.spend(noted(trial) - before)
        progressed = about(trial, _Event.TYPE_TRIAL_PROGRESSED, finished_count=counted["finished_count"])
        await at.say(progressed, *await at.warnings())
        return pb.ReportExamplesResponse(added=added, standing=at.standing(await at.spent()))

    answer: pb.ReportExamplesResponse = await in_turn(call, request.id, "ReportExamples", exemplified)
    return answer


@action(Trial, "GetTrialReports")
async def reports(call: Call, request: pb.GetTrialReportsRequest) -> pb.GetTrialReportsResponse:
    """Returns what was reported of a trial that the caller may see, its examples page by page."""
    after = request.from_position
    async with call.transaction() as tx:
        trial = await call.row(Trial, request.id, "GetTrialReports")
        steps = [] if after else await tx.fetch(_STEPS, {**trial, "most": MOST_STEPS})
        examples = await tx.fetch(_EXAMPLES, {**trial, "after": after, "most": SHOWN + 1})
    shown = examples[:SHOWN]
    return pb.GetTrialReportsResponse(
        measurements=[made(pb.Measurement, row["reported"]) for row in steps],
        examples=[made(pb.ReportedExample, row["reported"]) for row in shown],
        next_position=shown[-1]["position"] if len(examples) > SHOWN else 0,
    )


def _latest(measurements: Any) -> dict[int, pb.Measurement]:
    """Returns the measurements by step, the last one of each."""
    return {each.step: each for each in measurements}


def _check(request: Any, field: str, maps: list[Mapping[str, float]], inner: str) -> None:
    """Raises InvalidFields for every value that is no finite number."""
    faults = [
        FieldViolation(f"{field}[{i}].{inner}.{name}", f"must be a finite number, not {value}")
        for i, values in enumerate(maps)
        for name, value in values.items()
        if value != value or value in (float("inf"), float("-inf"))
    ]
    if faults:
        raise InvalidFields(*faults)


async def _held(at: Turn, client: str, number: int) -> dict[str, Any]:
    """Returns the client's trial, its lease renewed."""
    trial = at.held(client, number, renewing=True)
    await at.take(client, [number], 0)
    return trial


async def _bound(at: Turn, table: str, ids: Mapping[str, Any], most: int) -> None:
    (counted,) = await at.tx.fetch(_COUNT.format(table=table), ids)
    if counted["count"] > most:
        raise _too_many("steps", most)


def _too_many(what: str, most: int) -> LimitReached:
    return LimitReached(f"a trial may have {most} {what}: complete it, or report less of it", 3600, limit=what)
