-- Trials of managed runs are numbered as they finish, too: a count says what informed one, where a list grew with the run.
ALTER TABLE trials NO FORCE ROW LEVEL SECURITY;
ALTER TABLE optimization_runs NO FORCE ROW LEVEL SECURITY;
UPDATE trials t SET finish_number = numbered.place
FROM (
    SELECT t.organization_id, t.id, row_number() OVER (
        PARTITION BY t.organization_id, t.optimization_run_id
        ORDER BY t.finish_number = 0, t.finish_number, t.completed_at, t.number
    ) AS place
    FROM trials t
    JOIN optimization_runs r ON r.organization_id = t.organization_id AND r.id = t.optimization_run_id
    WHERE r.evaluator <> 'EVALUATOR_EXTERNAL' AND t.status IN ('STATUS_COMPLETED', 'STATUS_FAILED', 'STATUS_DROPPED')
) AS numbered
WHERE t.organization_id = numbered.organization_id AND t.id = numbered.id;
UPDATE trials SET informed_count = jsonb_array_length(informed_by) WHERE jsonb_typeof(informed_by) = 'array'
    AND informed_count = 0;
ALTER TABLE trials DROP COLUMN informed_by;
ALTER TABLE trials FORCE ROW LEVEL SECURITY;
ALTER TABLE optimization_runs FORCE ROW LEVEL SECURITY;
