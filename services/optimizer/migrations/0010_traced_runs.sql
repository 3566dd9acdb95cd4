-- Where in whose trace a run was asked for: its spans go on from there.
ALTER TABLE optimization_runs ADD COLUMN traceparent text NOT NULL DEFAULT '';
