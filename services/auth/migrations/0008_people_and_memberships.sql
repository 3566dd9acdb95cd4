-- People: who signs in with a password. A user is what one of them is in one organization; no tenant reads this table.
CREATE TABLE people (
    id uuid PRIMARY KEY,
    email text NOT NULL,
    email_key text NOT NULL GENERATED ALWAYS AS (lower(email)) STORED,
    password_hash text NOT NULL,
    failures integer NOT NULL DEFAULT 0,
    barred_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX people_email_key ON people (email_key);
GRANT SELECT, INSERT, UPDATE ON people TO auth_system;

ALTER TABLE organizations ADD COLUMN suspended_at timestamptz;
ALTER TABLE organizations ADD COLUMN suspension_reason text NOT NULL DEFAULT '';

ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN ended_at timestamptz;
ALTER TABLE users ADD COLUMN last_sign_in_at timestamptz;
ALTER TABLE users ADD COLUMN preferences jsonb;
ALTER TABLE users ADD COLUMN person_id uuid REFERENCES people (id);
UPDATE users SET kind = 'KIND_PERSON';
-- One person is one member of an organization.
CREATE UNIQUE INDEX users_person_id ON users (organization_id, person_id);
CREATE INDEX users_person ON users (person_id) WHERE person_id IS NOT NULL;

-- Addresses that look alike are one address.
ALTER TABLE users ADD COLUMN email_shape text NOT NULL
    GENERATED ALWAYS AS (replace(replace(translate(lower(email), '01', 'ol'), 'rn', 'm'), 'vv', 'w')) STORED;
CREATE UNIQUE INDEX users_email_shape_key ON users (organization_id, email_shape);

-- The operator is an identity of its own, in an organization of its own, which bootstrap founds.
UPDATE users SET operator = false;

CREATE TABLE invitations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    email text NOT NULL DEFAULT '',
    role text NOT NULL DEFAULT '',
    expires_at timestamptz,
    created_by text NOT NULL DEFAULT '',
    accepted_at timestamptz,
    user_id uuid,
    revoked_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    token_hash bytea NOT NULL,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT invitations_user_id_fkey FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id)
);
CREATE INDEX invitations_created_at ON invitations (organization_id, created_at, id);
CREATE INDEX invitations_user_id ON invitations (organization_id, user_id);
-- A token is looked up before its organization is known.
CREATE UNIQUE INDEX invitations_token_hash ON invitations (token_hash);
GRANT SELECT, INSERT, UPDATE ON invitations TO auth;
GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO auth_system;
ALTER TABLE invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON invitations TO auth USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON invitations TO auth_system USING (true) WITH CHECK (true);

-- A session begins with a key, or with a password: then it hangs on the membership.
ALTER TABLE sessions ALTER COLUMN api_key_id DROP NOT NULL;
ALTER TABLE sessions ADD COLUMN user_id uuid;
ALTER TABLE sessions ADD CONSTRAINT sessions_user_id_fkey
    FOREIGN KEY (organization_id, user_id) REFERENCES users (organization_id, id);
ALTER TABLE sessions ADD CONSTRAINT sessions_one_credential CHECK (num_nonnulls(api_key_id, user_id) = 1);
CREATE INDEX sessions_user_id ON sessions (user_id) WHERE user_id IS NOT NULL;

-- When somebody signed in changes nothing about who may come in; what an organization's suspension changes is everything.
DROP TRIGGER note_change ON users;
CREATE CONSTRAINT TRIGGER note_change
    AFTER INSERT OR UPDATE OF email, role, operator, deactivated, ended_at, person_id ON users
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();
CREATE CONSTRAINT TRIGGER note_change AFTER UPDATE OF suspended_at ON organizations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();
