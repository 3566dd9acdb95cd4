-- What the clients of an external run have told that they used, added up: limits are looked at with every answer.
ALTER TABLE optimization_runs ADD COLUMN told_metric_calls bigint NOT NULL DEFAULT 0;
ALTER TABLE optimization_runs ADD COLUMN told_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE optimization_runs ADD COLUMN told_cost_micros bigint NOT NULL DEFAULT 0;
UPDATE optimization_runs AS run SET told_metric_calls = used.metric_calls, told_tokens = used.tokens,
       told_cost_micros = used.cost_micros
FROM (
    SELECT organization_id, optimization_run_id AS id, sum(finished_count)::bigint AS metric_calls,
           sum(tokens)::bigint AS tokens, sum(cost_micros)::bigint AS cost_micros
    FROM trials GROUP BY organization_id, optimization_run_id
) AS used
WHERE run.organization_id = used.organization_id AND run.id = used.id AND run.evaluator = 'EVALUATOR_EXTERNAL';
