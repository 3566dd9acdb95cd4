-- Of which execution an example was made.
ALTER TABLE examples ADD COLUMN execution_id uuid;
