-- What programs run with where neither they nor a call say anything, as the administrators of an organization set it.
CREATE TABLE program_defaults (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    defaults jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    single boolean NOT NULL DEFAULT true,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX program_defaults_single_key ON program_defaults (organization_id, single);
CREATE INDEX program_defaults_created_at ON program_defaults (organization_id, created_at, id);
GRANT SELECT, INSERT, UPDATE ON program_defaults TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON program_defaults TO program_system;
ALTER TABLE program_defaults ENABLE ROW LEVEL SECURITY;
ALTER TABLE program_defaults FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON program_defaults TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON program_defaults TO program_system USING (true) WITH CHECK (true);


-- Work keeps to the defaults that it began with.
ALTER TABLE executions ADD COLUMN defaults jsonb;
ALTER TABLE evaluations ADD COLUMN defaults jsonb;
