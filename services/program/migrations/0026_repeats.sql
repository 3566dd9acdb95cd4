-- Which repetition of its examples an evaluation is: each has seeds of its own.
ALTER TABLE evaluations ADD COLUMN repeat integer NOT NULL DEFAULT 0;
