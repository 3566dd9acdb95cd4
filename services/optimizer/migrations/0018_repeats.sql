-- Noisy runs: what is evaluated afresh before one is named the best, and what that found.
ALTER TABLE optimization_runs ADD COLUMN repeats jsonb;
ALTER TABLE optimization_runs ADD COLUMN repeats_result jsonb;
-- How many trials with its configuration were evaluated before a trial, where each is evaluated for itself.
ALTER TABLE trials ADD COLUMN repeat integer NOT NULL DEFAULT 0;
