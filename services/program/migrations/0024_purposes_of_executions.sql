-- What an execution's model calls are for, in the books.
ALTER TABLE executions ADD COLUMN purpose text NOT NULL DEFAULT 'PURPOSE_UNSPECIFIED';
