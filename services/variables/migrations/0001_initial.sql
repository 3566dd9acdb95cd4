-- The schema of the variables service, as its declarations derive it.

CREATE TABLE variable_spaces (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    variables jsonb,
    size jsonb,
    status text NOT NULL DEFAULT '',
    visibility text NOT NULL DEFAULT '',
    owner_id uuid,
    revision bigint NOT NULL DEFAULT 0,
    content_hash text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX variable_spaces_owner_id_name_key ON variable_spaces (organization_id, owner_id, name) WHERE archived_at IS NULL;
CREATE INDEX variable_spaces_created_at ON variable_spaces (organization_id, created_at, id);
CREATE INDEX variable_spaces_status_created_at ON variable_spaces (organization_id, status, created_at);
CREATE INDEX variable_spaces_owner_id_created_at ON variable_spaces (organization_id, owner_id, created_at);
GRANT SELECT, INSERT, UPDATE ON variable_spaces TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON variable_spaces TO variables_system;
ALTER TABLE variable_spaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE variable_spaces FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON variable_spaces TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON variable_spaces TO variables_system USING (true) WITH CHECK (true);
CREATE TABLE variable_spaces_revisions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    revision bigint NOT NULL,
    content jsonb NOT NULL,
    content_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id, revision),
    CONSTRAINT variable_spaces_revisions_id_fkey FOREIGN KEY (organization_id, id)
        REFERENCES variable_spaces (organization_id, id)
);
GRANT SELECT, INSERT, UPDATE ON variable_spaces_revisions TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON variable_spaces_revisions TO variables_system;
ALTER TABLE variable_spaces_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE variable_spaces_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON variable_spaces_revisions TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON variable_spaces_revisions TO variables_system USING (true) WITH CHECK (true);
CREATE TABLE variable_configurations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    variable_space_id uuid,
    variable_space_revision bigint NOT NULL DEFAULT 0,
    values jsonb,
    content_hash text NOT NULL DEFAULT '',
    origin text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT variable_configurations_variable_space_id_fkey FOREIGN KEY (organization_id, variable_space_id) REFERENCES variable_spaces (organization_id, id)
);
CREATE UNIQUE INDEX variable_configurations_owner_id_name_key ON variable_configurations (organization_id, owner_id, name) WHERE archived_at IS NULL;
CREATE INDEX variable_configurations_created_at ON variable_configurations (organization_id, created_at, id);
CREATE INDEX variable_configurations_variable_space_id_created_at ON variable_configurations (organization_id, variable_space_id, created_at);
GRANT SELECT, INSERT, UPDATE ON variable_configurations TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON variable_configurations TO variables_system;
ALTER TABLE variable_configurations ENABLE ROW LEVEL SECURITY;
ALTER TABLE variable_configurations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON variable_configurations TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON variable_configurations TO variables_system USING (true) WITH CHECK (true);

-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO variables;
GRANT SELECT, INSERT, DELETE ON outbox TO variables_system;

-- The numbered feed that other services pull.
CREATE TABLE feed (
    sequence bigint PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON feed TO variables_system;

-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO variables_system;
