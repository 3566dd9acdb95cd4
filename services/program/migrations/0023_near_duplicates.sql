-- By what the near-duplicates of an example are found: of the first of each group only, and only where a dataset asks for it.
CREATE TABLE example_bands (
    organization_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    band bigint NOT NULL,
    example_id uuid NOT NULL,
    PRIMARY KEY (organization_id, dataset_id, band, example_id),
    FOREIGN KEY (organization_id, dataset_id) REFERENCES datasets (organization_id, id) ON DELETE CASCADE
);
GRANT SELECT, INSERT ON example_bands TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON example_bands TO program_system;
ALTER TABLE example_bands ENABLE ROW LEVEL SECURITY;
ALTER TABLE example_bands FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON example_bands TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON example_bands TO program_system USING (true) WITH CHECK (true);
