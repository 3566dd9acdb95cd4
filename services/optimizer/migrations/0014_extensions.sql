-- Runs that go on after their end, and where their trials come from. What there is was all chosen by strategies.
ALTER TABLE optimization_runs ADD COLUMN error_class text NOT NULL DEFAULT '';
ALTER TABLE optimization_runs ADD COLUMN planned_trials integer NOT NULL DEFAULT 0;
ALTER TABLE optimization_runs ADD COLUMN retried_trials integer NOT NULL DEFAULT 0;
ALTER TABLE optimization_runs ADD COLUMN rested_seconds double precision NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN origin text NOT NULL DEFAULT 'ORIGIN_SUGGESTED';
ALTER TABLE trials ALTER COLUMN origin SET DEFAULT '';
ALTER TABLE trials ADD COLUMN origin_trial_number integer NOT NULL DEFAULT 0;
