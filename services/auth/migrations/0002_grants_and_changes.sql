-- Work that outlives a token: who let which run act for them.
CREATE TABLE grants (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    run_id uuid NOT NULL,
    service text NOT NULL,
    actions text[] NOT NULL,
    resources text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT grants_user_id_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
-- Exchanges know a grant's id only.
CREATE UNIQUE INDEX grants_id ON grants (id);
GRANT SELECT, INSERT, UPDATE ON grants TO auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON grants TO auth_system;
ALTER TABLE grants ENABLE ROW LEVEL SECURITY;
ALTER TABLE grants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON grants TO auth
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON grants TO auth_system USING (true) WITH CHECK (true);

-- A presented key is looked up before its organization is known.
CREATE UNIQUE INDEX api_keys_key_hash ON api_keys (key_hash);

-- What ext_authz must hear of: the last change of each key and user, numbered in the order of commits, without gaps.
CREATE TABLE credential_counter (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number bigint NOT NULL
);
INSERT INTO credential_counter (number) VALUES (0);
CREATE TABLE credential_changes (
    id uuid PRIMARY KEY,
    number bigint NOT NULL
);
CREATE INDEX credential_changes_number ON credential_changes (number);
GRANT SELECT ON credential_counter, credential_changes TO auth_system;

CREATE FUNCTION note_credential_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = auth AS $$
DECLARE
    following bigint;
BEGIN
    -- The row lock is held until the commit: numbers appear in the order of commits.
    UPDATE credential_counter SET number = number + 1 RETURNING number INTO following;
    INSERT INTO credential_changes (id, number) VALUES (NEW.id, following)
        ON CONFLICT (id) DO UPDATE SET number = excluded.number;
    PERFORM pg_notify('auth_credentials', '');
    RETURN NULL;
END
$$;

-- Deferred, so that the counter is locked only at the very end of a transaction and no two can wait for each other.
CREATE CONSTRAINT TRIGGER note_change AFTER INSERT OR UPDATE ON api_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();
CREATE CONSTRAINT TRIGGER note_change AFTER INSERT OR UPDATE ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();

-- A user without an organization could not be seen by anybody.
ALTER TABLE users ADD CONSTRAINT users_organization_id_fkey FOREIGN KEY (organization_id) REFERENCES organizations (id);
