-- Written from the declarations; read it before you keep it.

ALTER TABLE programs ADD COLUMN tags jsonb;
ALTER TABLE programs ADD COLUMN variable_space_revision bigint NOT NULL DEFAULT 0;
CREATE TABLE program_aliases (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    program_id uuid,
    name text NOT NULL DEFAULT '',
    targets jsonb,
    status text NOT NULL DEFAULT '',
    owner_id uuid,
    revision bigint NOT NULL DEFAULT 0,
    content_hash text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT program_aliases_program_id_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX program_aliases_program_id_name_key ON program_aliases (organization_id, program_id, name) WHERE archived_at IS NULL;
CREATE INDEX program_aliases_created_at ON program_aliases (organization_id, created_at, id);
CREATE INDEX program_aliases_program_id_created_at ON program_aliases (organization_id, program_id, created_at);
GRANT SELECT, INSERT, UPDATE ON program_aliases TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON program_aliases TO program_system;
ALTER TABLE program_aliases ENABLE ROW LEVEL SECURITY;
ALTER TABLE program_aliases FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON program_aliases TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON program_aliases TO program_system USING (true) WITH CHECK (true);
GRANT DELETE ON program_aliases TO program;
CREATE POLICY purge ON program_aliases AS RESTRICTIVE FOR DELETE TO program
    USING (archived_at IS NOT NULL);
CREATE TABLE program_aliases_revisions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    revision bigint NOT NULL,
    content jsonb NOT NULL,
    content_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id, revision),
    CONSTRAINT program_aliases_revisions_id_fkey FOREIGN KEY (organization_id, id)
        REFERENCES program_aliases (organization_id, id) ON DELETE CASCADE
);
GRANT SELECT, INSERT, UPDATE ON program_aliases_revisions TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON program_aliases_revisions TO program_system;
ALTER TABLE program_aliases_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE program_aliases_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON program_aliases_revisions TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON program_aliases_revisions TO program_system USING (true) WITH CHECK (true);
