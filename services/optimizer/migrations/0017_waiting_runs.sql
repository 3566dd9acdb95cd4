-- Runs that wait for a model: until when, and how often in a row they have.
ALTER TABLE optimization_runs ADD COLUMN resumes_at timestamptz;
ALTER TABLE optimization_runs ADD COLUMN waits integer NOT NULL DEFAULT 0;
