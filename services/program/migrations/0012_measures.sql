-- What metrics are told and what their own calls took, and how many failures an evaluation bears: those of before bear all.

ALTER TABLE evaluations ADD COLUMN metric_params jsonb;
ALTER TABLE evaluations ADD COLUMN error_budget double precision NOT NULL DEFAULT 1;
ALTER TABLE evaluations ALTER COLUMN error_budget SET DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN max_consecutive_failures bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN metric_input_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN metric_output_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluations ADD COLUMN metric_cost_micros bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluation_results ADD COLUMN feedback_by_slot jsonb;
ALTER TABLE evaluation_results ADD COLUMN metric_input_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluation_results ADD COLUMN metric_output_tokens bigint NOT NULL DEFAULT 0;
ALTER TABLE evaluation_results ADD COLUMN metric_cost_micros bigint NOT NULL DEFAULT 0;
