-- What an evaluation may cost, and whether what it cost is exact.
ALTER TABLE evaluations
    ADD COLUMN cost_incomplete boolean NOT NULL DEFAULT false,
    ADD COLUMN max_cost_micros bigint;
