-- The schema of the auth service, as its declarations derive it.

CREATE TABLE organizations (
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    name_key text NOT NULL GENERATED ALWAYS AS (lower(name)) STORED,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX organizations_name_key_key ON organizations (name_key);
CREATE INDEX organizations_created_at ON organizations (created_at, id);
GRANT SELECT, INSERT, UPDATE ON organizations TO auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON organizations TO auth_system;
CREATE TABLE users (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL DEFAULT '',
    name text NOT NULL DEFAULT '',
    role text NOT NULL DEFAULT '',
    deactivated boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    email_key text NOT NULL GENERATED ALWAYS AS (lower(email)) STORED,
    operator boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX users_email_key_key ON users (organization_id, email_key);
CREATE INDEX users_created_at ON users (organization_id, created_at, id);
GRANT SELECT, INSERT, UPDATE ON users TO auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON users TO auth_system;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
ALTER TABLE users FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON users TO auth USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON users TO auth_system USING (true) WITH CHECK (true);
CREATE TABLE api_keys (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    user_id uuid,
    prefix text NOT NULL DEFAULT '',
    expires_at timestamptz,
    revoked_at timestamptz,
    created_by text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    key_hash bytea NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
CREATE INDEX api_keys_created_at ON api_keys (organization_id, created_at, id);
CREATE INDEX api_keys_user_id_created_at ON api_keys (organization_id, user_id, created_at);
GRANT SELECT, INSERT, UPDATE ON api_keys TO auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON api_keys TO auth_system;
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON api_keys TO auth USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON api_keys TO auth_system USING (true) WITH CHECK (true);

-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO auth;
GRANT SELECT, INSERT, DELETE ON outbox TO auth_system;

-- The numbered feed that other services pull.
CREATE TABLE feed (
    sequence bigint PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON feed TO auth_system;

-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO auth_system;
