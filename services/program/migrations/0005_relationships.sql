-- What reads of the clones of programs and of the evaluations over datasets go by.
CREATE INDEX programs_parent_program_id_created_at ON programs (organization_id, parent_program_id, created_at);
CREATE INDEX evaluations_dataset_id_created_at ON evaluations (organization_id, dataset_id, created_at);
