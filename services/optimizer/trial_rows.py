"""Trials written down, and noted as ended: one statement for as many as there are, whoever evaluates them."""

BEGIN = """
INSERT INTO trials (organization_id, optimization_run_id, id, number, configuration, content_hash, status,
                    evaluation_id, client, lease_seconds, lease_until, informed_count, pending_then, sampler_version,
                    seed, space_extensions, origin, origin_trial_number, repeat, created_at)
SELECT %(organization)s, %(run)s, begun.id, begun.number, begun.configuration, begun.content_hash, 'STATUS_RUNNING',
       begun.evaluation_id, coalesce(begun.client, ''), coalesce(begun.lease_seconds, 0), begun.lease_until,
       begun.informed_count, begun.pending_then,
       begun.sampler_version, begun.seed, %(extensions)s, begun.origin, begun.origin_trial_number,
       coalesce(begun.repeat, 0), coalesce(begun.created_at, now())
FROM jsonb_to_recordset(%(begun)s) AS begun(
    id uuid, number integer, configuration jsonb, content_hash text, evaluation_id uuid, client text,
    lease_seconds integer, lease_until timestamptz,
    informed_count integer, pending_then jsonb, sampler_version text, seed bigint, origin text,
    origin_trial_number integer, repeat integer, created_at timestamptz)
RETURNING *
"""
"""Writes down trials, a list of their columns in `begun`, and returns their rows; without `lease_until` none ends."""

FINISH = """
UPDATE trials SET configuration = coalesce(told.configuration, trials.configuration),
       content_hash = coalesce(told.content_hash, trials.content_hash), status = told.status,
       objectives = told.objectives, error = told.error, error_class = told.error_class,
       infeasible = coalesce(told.infeasible, false), finished_count = told.metric_calls,
       example_count = coalesce(told.example_count, trials.example_count), tokens = told.tokens,
       cost_micros = told.cost_micros, lost_to_trial_number = coalesce(told.lost_to, 0),
       finish_number = run.completed_trials + run.failed_trials + run.dropped_trials + told.place,
       completed_at = coalesce(told.completed_at, now()), lease_until = NULL, lock_version = trials.lock_version + 1
FROM jsonb_to_recordset(%(told)s) AS told(
    number integer, place integer, configuration jsonb, content_hash text, status text, objectives jsonb, error text,
    error_class text, infeasible boolean, metric_calls bigint, example_count bigint, tokens bigint, cost_micros bigint,
    lost_to integer, completed_at timestamptz), optimization_runs run
WHERE trials.organization_id = %(organization)s AND trials.optimization_run_id = %(run)s
  AND trials.number = told.number AND trials.status = 'STATUS_RUNNING'
  AND run.organization_id = %(organization)s AND run.id = %(run)s
RETURNING trials.*
"""
"""Notes that running trials ended, a list of what they came to in `told`, and returns their rows.

The run's row must be locked, and its counts be those before these: trials are numbered as they finish, by their places
from 1 in the list.
"""
