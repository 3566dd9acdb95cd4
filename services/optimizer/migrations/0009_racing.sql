-- Trials that are dropped early.
ALTER TABLE optimization_runs ADD COLUMN racing jsonb;
ALTER TABLE optimization_runs ADD COLUMN dropped_trials integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN lost_to_trial_number integer NOT NULL DEFAULT 0;
