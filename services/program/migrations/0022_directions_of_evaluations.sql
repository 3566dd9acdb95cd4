-- Which way the first metric of an evaluation is better: what the best of several is.
ALTER TABLE evaluations ADD COLUMN direction text NOT NULL DEFAULT '';
