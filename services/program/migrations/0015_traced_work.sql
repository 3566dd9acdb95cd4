-- Where in whose trace a piece of work was asked for: its spans go on from there.
ALTER TABLE executions ADD COLUMN traceparent text NOT NULL DEFAULT '';
ALTER TABLE evaluations ADD COLUMN traceparent text NOT NULL DEFAULT '';
