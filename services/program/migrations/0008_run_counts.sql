-- How many optimization runs name a row, as the optimizer's feed tells; its whole feed is read once to begin with.
ALTER TABLE programs ADD COLUMN optimization_run_count bigint NOT NULL DEFAULT 0;
