-- What kind of failure it was, what metrics said in words, and the percentiles of the time that it took. Rows that are
-- there get the value of their day; what is new names its own.
ALTER TABLE executions ADD COLUMN error_class text NOT NULL DEFAULT 'ERROR_CLASS_UNSPECIFIED';
ALTER TABLE executions ALTER COLUMN error_class SET DEFAULT '';
ALTER TABLE evaluations
    ADD COLUMN error_class text NOT NULL DEFAULT 'ERROR_CLASS_UNSPECIFIED',
    ADD COLUMN latency_p50_ms double precision NOT NULL DEFAULT 0,
    ADD COLUMN latency_p95_ms double precision NOT NULL DEFAULT 0;
ALTER TABLE evaluations ALTER COLUMN error_class SET DEFAULT '';
ALTER TABLE evaluation_results
    ADD COLUMN error_class text NOT NULL DEFAULT 'ERROR_CLASS_UNSPECIFIED',
    ADD COLUMN feedback jsonb;
ALTER TABLE evaluation_results ALTER COLUMN error_class SET DEFAULT '';
