-- What all evaluations of an optimization run may use together.
ALTER TABLE evaluations ADD COLUMN run_allowance jsonb;
