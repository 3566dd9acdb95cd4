-- Signed in: a chain of refresh tokens, of which the last one holds. What a token says is computed, not kept: a copy of
-- this table opens nothing.
CREATE TABLE sessions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    api_key_id uuid NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    rotated_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT sessions_api_key_id_fkey FOREIGN KEY (organization_id, api_key_id) REFERENCES api_keys (organization_id, id)
);
-- A token names its session before its organization is known.
CREATE UNIQUE INDEX sessions_id ON sessions (id);
CREATE INDEX sessions_ended_at ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_expires_at ON sessions (expires_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON sessions TO auth_system;
ALTER TABLE sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE sessions FORCE ROW LEVEL SECURITY;
CREATE POLICY system ON sessions TO auth_system USING (true) WITH CHECK (true);

-- ext_authz hears of an end as it hears of a revoked key.
CREATE CONSTRAINT TRIGGER note_change AFTER UPDATE OF ended_at ON sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();
