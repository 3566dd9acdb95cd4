-- Runs that begin with what others have found.
ALTER TABLE optimization_runs ADD COLUMN forked_from_optimization_run_ids jsonb;
ALTER TABLE optimization_runs ADD COLUMN inherited_trials integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN inherited_trial_id uuid;
