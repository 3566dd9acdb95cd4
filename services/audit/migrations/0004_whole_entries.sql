-- What an entry was not told before: from where and with what it was asked for, in which trace, and what was there.
ALTER TABLE audit_entries ADD COLUMN before jsonb;
ALTER TABLE audit_entries ADD COLUMN client_address text NOT NULL DEFAULT '';
ALTER TABLE audit_entries ADD COLUMN user_agent text NOT NULL DEFAULT '';
ALTER TABLE audit_entries ADD COLUMN trace_id text NOT NULL DEFAULT '';
-- Entries that are there were linked without these: their links stay as they are.
ALTER TABLE audit_entries ADD COLUMN link_version integer NOT NULL DEFAULT 0;
ALTER TABLE audit_entries DISABLE TRIGGER frozen_rows;
UPDATE audit_entries SET link_version = 1;
ALTER TABLE audit_entries ENABLE TRIGGER frozen_rows;

-- Signed statements of how long a chain was and how it ended.
CREATE TABLE audit_checkpoints (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    head_hash text NOT NULL DEFAULT '',
    signature text NOT NULL DEFAULT '',
    public_key text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX audit_checkpoints_sequence_key ON audit_checkpoints (organization_id, sequence);
CREATE INDEX audit_checkpoints_created_at ON audit_checkpoints (organization_id, created_at, id);
GRANT SELECT, INSERT ON audit_checkpoints TO audit;
GRANT SELECT, INSERT ON audit_checkpoints TO audit_system;
ALTER TABLE audit_checkpoints ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_checkpoints FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_checkpoints TO audit USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON audit_checkpoints TO audit_system USING (true) WITH CHECK (true);
CREATE FUNCTION audit_checkpoints_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of audit_checkpoints are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON audit_checkpoints FOR EACH ROW EXECUTE FUNCTION audit_checkpoints_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit_checkpoints_refuse();
