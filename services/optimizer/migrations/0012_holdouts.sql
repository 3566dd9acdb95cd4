-- Whether a run looks at the test split in the end, and what that found. Runs of before there was such a look had none.
ALTER TABLE optimization_runs ADD COLUMN holdout text NOT NULL DEFAULT 'HOLDOUT_OFF';
ALTER TABLE optimization_runs ALTER COLUMN holdout SET DEFAULT '';
ALTER TABLE optimization_runs ADD COLUMN holdout_result jsonb;

-- An enum that says nothing is empty, in this column as in every other.
ALTER TABLE optimization_runs ALTER COLUMN end_reason SET DEFAULT '';
