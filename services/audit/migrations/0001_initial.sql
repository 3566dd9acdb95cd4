-- The schema of the audit service, as its declarations derive it.

CREATE TABLE audit_entries (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    sequence bigint NOT NULL DEFAULT 0,
    type text NOT NULL DEFAULT '',
    action text NOT NULL DEFAULT '',
    outcome text NOT NULL DEFAULT '',
    resource_type text NOT NULL DEFAULT '',
    resource_id uuid,
    actor jsonb,
    request_id text NOT NULL DEFAULT '',
    data jsonb,
    changed_paths jsonb,
    source text NOT NULL DEFAULT '',
    source_sequence bigint NOT NULL DEFAULT 0,
    occurred_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    previous_hash text NOT NULL DEFAULT '',
    hash text NOT NULL DEFAULT '',
    actor_id uuid,
    lock_version bigint NOT NULL DEFAULT 1,
    salt bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX audit_entries_sequence_key ON audit_entries (organization_id, sequence);
CREATE INDEX audit_entries_created_at ON audit_entries (organization_id, created_at, id);
CREATE INDEX audit_entries_actor_id_created_at ON audit_entries (organization_id, actor_id, created_at);
CREATE INDEX audit_entries_resource_id_created_at ON audit_entries (organization_id, resource_id, created_at);
CREATE INDEX audit_entries_type_created_at ON audit_entries (organization_id, type, created_at);
GRANT SELECT, INSERT ON audit_entries TO audit;
GRANT SELECT, INSERT ON audit_entries TO audit_system;
ALTER TABLE audit_entries ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON audit_entries TO audit USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON audit_entries TO audit_system USING (true) WITH CHECK (true);
CREATE FUNCTION audit_entries_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of audit_entries are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_entries_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON audit_entries FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_refuse();

-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO audit;
GRANT SELECT, INSERT, DELETE ON outbox TO audit_system;

-- The numbered feed that other services pull.
CREATE TABLE feed (
    sequence bigint PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON feed TO audit_system;

-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO audit_system;
