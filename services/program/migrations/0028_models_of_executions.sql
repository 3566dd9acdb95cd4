-- Which model an execution asks, so that executions are counted, timed and paid for by it.
ALTER TABLE executions ADD COLUMN model text NOT NULL DEFAULT '';
