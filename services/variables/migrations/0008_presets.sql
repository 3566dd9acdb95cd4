-- Presets: variables to copy into spaces.
CREATE TABLE variable_presets (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    category text NOT NULL DEFAULT '',
    variable jsonb,
    constraints jsonb,
    models jsonb,
    metadata jsonb,
    status text NOT NULL DEFAULT '',
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX variable_presets_name_key ON variable_presets (organization_id, name) WHERE archived_at IS NULL;
CREATE INDEX variable_presets_created_at ON variable_presets (organization_id, created_at, id);
CREATE INDEX variable_presets_category_created_at ON variable_presets (organization_id, category, created_at);
GRANT SELECT, INSERT, UPDATE ON variable_presets TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON variable_presets TO variables_system;
ALTER TABLE variable_presets ENABLE ROW LEVEL SECURITY;
ALTER TABLE variable_presets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON variable_presets TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON variable_presets TO variables_system USING (true) WITH CHECK (true);
