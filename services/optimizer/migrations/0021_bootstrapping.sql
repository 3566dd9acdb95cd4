-- What was bootstrapped before a run's first trial, and the sets of demonstrations that its trials choose from.
ALTER TABLE optimization_runs ADD COLUMN bootstrap_result jsonb;
ALTER TABLE optimization_runs ADD COLUMN demonstration_sets jsonb;
