-- What workers look for several times a second must not be searched for among all that is done.
CREATE INDEX executions_open ON executions (created_at)
    WHERE status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING');
CREATE INDEX evaluations_open ON evaluations (created_at)
    WHERE status IN ('WORK_STATUS_PENDING', 'WORK_STATUS_RUNNING');

-- A row that changes with every result stays on its page when there is room on it.
ALTER TABLE evaluations SET (fillfactor = 50);

-- Which examples belong to a dataset's split at a revision, in their order.
CREATE UNIQUE INDEX examples_position_key ON examples (organization_id, dataset_id, position);
CREATE INDEX examples_split ON examples (organization_id, dataset_id, split, revision);
