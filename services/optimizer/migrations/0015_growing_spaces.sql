-- Spaces that clients extend while they evaluate: each extension is kept, so that what a trial was chosen from is known.
ALTER TABLE optimization_runs ADD COLUMN space_extensions integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN space_extensions integer NOT NULL DEFAULT 0;
ALTER TABLE run_spaces ADD COLUMN extensions integer NOT NULL DEFAULT 0;
ALTER TABLE run_spaces DROP CONSTRAINT run_spaces_pkey;
ALTER TABLE run_spaces ADD PRIMARY KEY (organization_id, run_id, extensions);

-- What was known of trials where they were made, when they were imported.
ALTER TABLE trials ADD COLUMN attributes jsonb;
