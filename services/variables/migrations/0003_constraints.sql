-- Spaces say what must hold between their variables; those that were there before say nothing.
ALTER TABLE variable_spaces ADD COLUMN constraints jsonb;
