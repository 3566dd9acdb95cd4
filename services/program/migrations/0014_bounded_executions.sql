-- What an execution may take, what it ran with, and what makes it the same as another.
ALTER TABLE executions
    ADD COLUMN cached boolean NOT NULL DEFAULT false,
    ADD COLUMN timeout_ms integer,
    ADD COLUMN max_cost_micros bigint,
    ADD COLUMN effective_configuration jsonb,
    ADD COLUMN trace_id text NOT NULL DEFAULT '',
    ADD COLUMN cache_key text NOT NULL DEFAULT '';
CREATE INDEX executions_cache_key ON executions (organization_id, cache_key) WHERE status = 'WORK_STATUS_COMPLETED';
