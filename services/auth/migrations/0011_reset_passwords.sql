-- A password that the operator handed out: until then it is good for setting another, and for nothing else.
ALTER TABLE people ADD COLUMN reset_until timestamptz;
