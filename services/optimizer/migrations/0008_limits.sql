-- What a run may use, what its trials have used, and why it ended.
ALTER TABLE optimization_runs ADD COLUMN limits jsonb;
ALTER TABLE optimization_runs ADD COLUMN end_reason text NOT NULL DEFAULT '';
ALTER TABLE trials ADD COLUMN tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN cost_micros bigint NOT NULL DEFAULT 0;
