-- Keys that are bound: to calls, to places; and when they were last used.
ALTER TABLE api_keys ADD COLUMN scopes jsonb;
ALTER TABLE api_keys ADD COLUMN allowed_addresses jsonb;
ALTER TABLE api_keys ADD COLUMN last_used_at timestamptz;

-- Use changes nothing about who may come in.
DROP TRIGGER note_change ON api_keys;
CREATE CONSTRAINT TRIGGER note_change
    AFTER INSERT OR UPDATE OF key_hash, user_id, expires_at, revoked_at, scopes, allowed_addresses ON api_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_credential_change();
