-- What executions keep and for how long, as their program says; what is not kept is held apart until it was used.
ALTER TABLE programs ADD COLUMN execution_retention jsonb;
ALTER TABLE executions ADD COLUMN inputs_held jsonb;
ALTER TABLE executions ADD COLUMN outputs_held jsonb;
ALTER TABLE programs ADD COLUMN lapsed jsonb NOT NULL DEFAULT '{}';
CREATE INDEX executions_outputs_held ON executions (completed_at) WHERE outputs_held IS NOT NULL;
