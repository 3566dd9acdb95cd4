-- Whether a run's best is ablated in the end, and what that found. Runs of before there was such a thing had none.
ALTER TABLE optimization_runs ADD COLUMN ablation text NOT NULL DEFAULT 'ABLATION_OFF';
ALTER TABLE optimization_runs ALTER COLUMN ablation SET DEFAULT '';
ALTER TABLE optimization_runs ADD COLUMN ablation_result jsonb;
