"""What the trials of runs come to, computed for a page of runs at once: convergence, the end to come, statistics."""

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from ashgrove.optimizer.v1.optimization_run_pb2 import OptimizationRun as Run
from ashgrove.optimizer.v1.run_figures_pb2 import CompletionEstimate, Convergence, ObjectiveStatistics

from domain.convergence import best_so_far, convergence, left_after, values_of, window_of
from domain.forecast import Forecast, forecast
from domain.strategies import Observation
from framework.engine import Call
from framework.plain import plain
from services.optimizer.objectives import objectives_of

Rows = list[dict[str, Any]]
_ENDED = "('STATUS_COMPLETED', 'STATUS_FAILED', 'STATUS_DROPPED')"
_LIMITED = ("metric_calls", "tokens", "cost_micros")
_LATEST = 20
"""How many of the latest trials say how long the next ones take."""
_ORDERED = f"""
SELECT optimization_run_id AS run, number, CASE WHEN status = 'STATUS_COMPLETED' THEN objectives END AS objectives
FROM trials
WHERE organization_id = %(organization)s AND optimization_run_id = ANY(%(runs)s) AND status IN {_ENDED}
ORDER BY optimization_run_id, completed_at, number
"""
_VOLUMES = """
SELECT run_id AS run, trial_number, hypervolume, coalesce(hypervolume_margin, 0) AS margin FROM pareto_versions
WHERE organization_id = %(organization)s AND run_id = ANY(%(runs)s) AND hypervolume IS NOT NULL ORDER BY version
"""
# How long a pause took says nothing: the clock begins when the run last went on.
_GAPS = f"""
SELECT r.id AS run, now() AS now, ended.gaps, ended.count,
       (extract(epoch FROM now() - r.started_at) - r.rested_seconds)::float8 AS seconds,
       extract(epoch FROM now() - ended.latest)::float8 AS since, used.metric_calls, used.tokens, used.cost_micros
FROM optimization_runs r
CROSS JOIN LATERAL (
    SELECT max(e.created_at) AS at FROM run_events e
    WHERE e.organization_id = r.organization_id AND e.run_id = r.id
      AND e.event ->> 'type' IN ('TYPE_RUN_STARTED', 'TYPE_RUN_RESUMED', 'TYPE_RUN_EXTENDED', 'TYPE_RUN_RETRIED',
                                 'TYPE_RUN_TAKEN_OVER')
) went_on
CROSS JOIN LATERAL (
    SELECT count(*) AS count, coalesce(sum(t.finished_count), 0)::float8 AS metric_calls,
           coalesce(sum(t.tokens), 0)::float8 AS tokens, coalesce(sum(t.cost_micros), 0)::float8 AS cost_micros
    FROM trials t
    WHERE t.organization_id = r.organization_id AND t.optimization_run_id = r.id AND t.status IN {_ENDED}
      AND t.origin <> 'ORIGIN_INHERITED'
) used
CROSS JOIN LATERAL (
    SELECT array_agg(gap) AS gaps, max(completed_at) AS latest, used.count
    FROM (
        SELECT t.completed_at, extract(
            epoch FROM t.completed_at - lag(t.completed_at, 1, went_on.at) OVER (ORDER BY t.completed_at, t.number)
        )::float8 AS gap
        FROM trials t
        WHERE t.organization_id = r.organization_id AND t.optimization_run_id = r.id AND t.status IN {_ENDED}
          AND t.completed_at >= went_on.at
        ORDER BY t.completed_at DESC, t.number DESC LIMIT %(latest)s
    ) gaps
) ended
WHERE r.organization_id = %(organization)s AND r.id = ANY(%(runs)s) AND r.status = 'STATUS_RUNNING'
"""
# Squares of what clients may report would be beyond all numbers.
_STATISTICS = """
SELECT run, metric, count(*) AS count, min(value) AS low, max(value) AS high, avg(value) AS mean,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS p50, stddev_samp(value) AS stddev
FROM (
    SELECT t.optimization_run_id AS run, o.key AS metric, least(greatest(o.value::float8, -1e150), 1e150) AS value
    FROM trials t, jsonb_each_text(t.objectives) AS o
    WHERE t.organization_id = %(organization)s AND t.optimization_run_id = ANY(%(runs)s)
      AND t.status = 'STATUS_COMPLETED'
) reached
GROUP BY run, metric
"""


async def converging(call: Call, runs: Sequence[Run]) -> list[Convergence]:
    """Returns how far the search of each run has got."""
    ended = _by_run(await _fetch(call, runs, _ORDERED))
    volumes = _by_run(await _fetch(call, runs, _VOLUMES))
    return [_convergence(run, ended.get(run.id, []), volumes.get(run.id, [])) for run in runs]


def _convergence(run: Run, ended: Rows, volumes: Rows) -> Convergence:
    objectives = objectives_of({"objectives": [plain(each) for each in run.objectives]})
    values = values_of([Observation(row["number"], {}, row["objectives"]) for row in ended], objectives)
    by_volume = len(objectives) > 1 and bool(volumes)
    changes = {row["trial_number"]: row["hypervolume"] for row in volumes}
    numbers = [row["number"] for row in ended]
    trace = left_after(numbers, changes) if by_volume else best_so_far(values)
    margins = left_after(numbers, {row["trial_number"]: row["margin"] for row in volumes}) if by_volume else ()
    window = window_of(run.max_trials)
    found = convergence(values, trace, window, margins, exhausted=run.end_reason == Run.END_REASON_EXHAUSTED)
    return Convergence(
        status=Convergence.Status.Value(f"STATUS_{found.status.upper()}"),
        score=found.score,
        window=window,
        followed="hypervolume" if by_volume else objectives[0].name,
    )


async def ending(call: Call, runs: Sequence[Run]) -> list[CompletionEstimate | None]:
    """Returns when the trials of each run will be done, None where that is not known."""
    rows = {str(row["run"]): row for row in await _fetch(call, runs, _GAPS)}
    return [_estimate(run, rows[run.id]) if run.id in rows else None for run in runs]


def _estimate(run: Run, row: Mapping[str, Any]) -> CompletionEstimate | None:
    limits = {name: float(getattr(run.limits, name)) for name in _LIMITED if getattr(run.limits, name)}
    limits["max_trials"] = float(run.max_trials)
    used = {"max_trials": float(row["count"]), **{name: row[name] for name in _LIMITED}}
    seconds_left = max(run.limits.seconds - row["seconds"], 0.0) if run.limits.seconds else math.inf
    found = forecast(row["gaps"] or [], row["count"], limits, used, seconds_left)
    return None if found is None else _told(found, row)


def _told(found: Forecast, row: Mapping[str, Any]) -> CompletionEstimate:
    # What has passed since the latest trial ended is part of the time that the next one takes.
    passed = 0.0 if found.limit == "seconds" else row["since"]
    made = CompletionEstimate(limit=found.limit)
    for name, seconds in (("at", found.seconds), ("earliest", found.low), ("latest", found.high)):
        getattr(made, name).FromDatetime(row["now"] + timedelta(seconds=max(seconds - passed, 0.0)))
    return made


async def statistics(call: Call, runs: Sequence[Run]) -> list[list[ObjectiveStatistics]]:
    """Returns how what each run's complete trials reached is spread, in the order of its objectives."""
    rows = {(str(row["run"]), row["metric"]): row for row in await _fetch(call, runs, _STATISTICS)}
    return [[_spread(rows.get((run.id, each.metric)), each) for each in run.objectives] for run in runs]


def _spread(row: Mapping[str, Any] | None, objective: Any) -> ObjectiveStatistics:
    if row is None:
        return ObjectiveStatistics(metric=objective.metric)
    low, high = row["low"], row["high"]
    best, worst = (low, high) if objective.direction == objective.DIRECTION_MINIMIZE else (high, low)
    same = {name: row[name] for name in ("count", "mean", "p50", "stddev")}
    return ObjectiveStatistics(metric=objective.metric, best=best, worst=worst, **same)


async def _fetch(call: Call, runs: Sequence[Run], statement: str) -> Rows:
    asked = {
        "organization": call.context.organization_id,
        "runs": [UUID(run.id) for run in runs],
        "latest": _LATEST,
    }
    return await call.reads().fetch(statement, asked)


def _by_run(rows: Rows) -> dict[str, Rows]:
    found: dict[str, Rows] = {}
    for row in rows:
        found.setdefault(str(row["run"]), []).append(row)
    return found
