-- Written from the declarations; read it before you keep it.

CREATE TABLE feedback (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    execution_id uuid,
    program_id uuid,
    score double precision,
    label text NOT NULL DEFAULT '',
    comment text NOT NULL DEFAULT '',
    corrected_outputs jsonb,
    rubric text NOT NULL DEFAULT '',
    source text NOT NULL DEFAULT '',
    owner_id uuid,
    key_id uuid,
    status text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT feedback_execution_id_fkey FOREIGN KEY (organization_id, execution_id) REFERENCES executions (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT feedback_program_id_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id)
);
CREATE INDEX feedback_created_at ON feedback (organization_id, created_at, id);
CREATE INDEX feedback_execution_id_created_at ON feedback (organization_id, execution_id, created_at);
CREATE INDEX feedback_program_id_created_at ON feedback (organization_id, program_id, created_at);
CREATE INDEX feedback_owner_id_created_at ON feedback (organization_id, owner_id, created_at);
GRANT SELECT, INSERT, UPDATE ON feedback TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON feedback TO program_system;
ALTER TABLE feedback ENABLE ROW LEVEL SECURITY;
ALTER TABLE feedback FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON feedback TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON feedback TO program_system USING (true) WITH CHECK (true);
GRANT DELETE ON feedback TO program;
CREATE POLICY purge ON feedback AS RESTRICTIVE FOR DELETE TO program
    USING (archived_at IS NOT NULL);
