-- Written from the declarations; read it before you keep it.

CREATE INDEX executions_dataset_id_created_at ON executions (organization_id, dataset_id, created_at);
CREATE INDEX evaluation_results_example_id ON evaluation_results (organization_id, example_id);
