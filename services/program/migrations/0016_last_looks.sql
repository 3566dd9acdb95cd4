-- What a run finds on the test split is sealed until the run has ended, as the optimizer's feed tells.
ALTER TABLE evaluations ADD COLUMN sealed boolean NOT NULL DEFAULT false;

-- How often the test split of a dataset was looked at.
CREATE INDEX evaluations_of_tests ON evaluations (organization_id, dataset_id, dataset_revision)
    WHERE split = 'SPLIT_TEST';
