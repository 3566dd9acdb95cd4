-- Contract: what was written the old way since 0005 moves as well, the old columns go, and both halves are one view.
ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries_droppable NO FORCE ROW LEVEL SECURITY;
LOCK TABLE audit_entries IN SHARE MODE;
SELECT audit_entries_open(month AT TIME ZONE 'utc') FROM (
    SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'utc') AS month FROM audit_entries
) AS months;
INSERT INTO audit_entries_droppable (organization_id, id, created_at, data, changed_paths, before, payload_salt)
SELECT organization_id, id, created_at, data, changed_paths, before, encode(salt, 'hex') FROM audit_entries
ON CONFLICT DO NOTHING;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries_droppable FORCE ROW LEVEL SECURITY;

ALTER TABLE audit_entries ALTER COLUMN payload_digest DROP EXPRESSION, ALTER COLUMN chain DROP EXPRESSION;
ALTER TABLE audit_checkpoints ALTER COLUMN chain DROP EXPRESSION;
ALTER TABLE audit_entries ALTER COLUMN payload_digest SET DEFAULT '', ALTER COLUMN chain SET DEFAULT '';
ALTER TABLE audit_checkpoints ALTER COLUMN chain SET DEFAULT '';
ALTER TABLE audit_entries DROP COLUMN data, DROP COLUMN changed_paths, DROP COLUMN before, DROP COLUMN salt, DROP COLUMN payload;
DROP TRIGGER frozen_rows ON audit_entries;
DROP TRIGGER frozen_table ON audit_entries;
DROP FUNCTION audit_entries_refuse();
ALTER TABLE audit_entries RENAME TO audit_entries_kept;
ALTER INDEX audit_entries_pkey RENAME TO audit_entries_kept_pkey;
CREATE FUNCTION audit_entries_kept_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of audit_entries_kept are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON audit_entries_kept FOR EACH ROW EXECUTE FUNCTION audit_entries_kept_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON audit_entries_kept FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_kept_refuse();
CREATE FUNCTION audit_entries_droppable_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of audit_entries_droppable are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON audit_entries_droppable FOR EACH ROW EXECUTE FUNCTION audit_entries_droppable_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON audit_entries_droppable FOR EACH STATEMENT EXECUTE FUNCTION audit_entries_droppable_refuse();
CREATE VIEW audit_entries WITH (security_invoker = true) AS
    SELECT kept.organization_id, kept.id, kept.sequence, kept.type, kept.action, kept.outcome, kept.resource_type, kept.resource_id, kept.actor, kept.request_id, gone.data, gone.changed_paths, kept.source, kept.source_sequence, kept.occurred_at, kept.created_at, kept.previous_hash, kept.hash, kept.actor_id, gone.before, kept.client_address, kept.user_agent, kept.trace_id, kept.link_version, kept.payload_digest, gone.payload_salt, kept.chain, kept.lock_version
    FROM audit_entries_kept AS kept LEFT JOIN audit_entries_droppable AS gone
    ON gone.organization_id = kept.organization_id AND gone.id = kept.id
    AND gone.created_at = kept.created_at;
ALTER VIEW audit_entries ALTER COLUMN sequence SET DEFAULT 0;
ALTER VIEW audit_entries ALTER COLUMN type SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN action SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN outcome SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN resource_type SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN request_id SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN source SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN source_sequence SET DEFAULT 0;
ALTER VIEW audit_entries ALTER COLUMN created_at SET DEFAULT now();
ALTER VIEW audit_entries ALTER COLUMN previous_hash SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN hash SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN client_address SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN user_agent SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN trace_id SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN link_version SET DEFAULT 0;
ALTER VIEW audit_entries ALTER COLUMN payload_digest SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN chain SET DEFAULT '';
ALTER VIEW audit_entries ALTER COLUMN lock_version SET DEFAULT 1;
-- Drops the months that end before an instant; returns how many went.
CREATE FUNCTION audit_entries_drop(instant timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    part text;
    gone integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':audit_entries'));
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'audit_entries_droppable'::regclass
              AND (to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month') AT TIME ZONE 'utc' <= instant
        ORDER BY c.relname
    LOOP
        EXECUTE format('DROP TABLE %I', part);
        gone := gone + 1;
    END LOOP;
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION audit_entries_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_entries_drop TO audit_system;
CREATE FUNCTION audit_entries_insert() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF to_regclass('audit_entries_droppable_' || to_char(NEW.created_at AT TIME ZONE 'utc', 'YYYYMM')) IS NULL THEN
        PERFORM audit_entries_open(NEW.created_at);
    END IF;
    INSERT INTO audit_entries_kept (organization_id, id, sequence, type, action, outcome, resource_type, resource_id, actor, request_id, source, source_sequence, occurred_at, created_at, previous_hash, hash, actor_id, client_address, user_agent, trace_id, link_version, payload_digest, chain, lock_version) VALUES (NEW.organization_id, NEW.id, NEW.sequence, NEW.type, NEW.action, NEW.outcome, NEW.resource_type, NEW.resource_id, NEW.actor, NEW.request_id, NEW.source, NEW.source_sequence, NEW.occurred_at, NEW.created_at, NEW.previous_hash, NEW.hash, NEW.actor_id, NEW.client_address, NEW.user_agent, NEW.trace_id, NEW.link_version, NEW.payload_digest, NEW.chain, NEW.lock_version);
    INSERT INTO audit_entries_droppable (organization_id, id, created_at, data, changed_paths, before, payload_salt) VALUES (NEW.organization_id, NEW.id, NEW.created_at, NEW.data, NEW.changed_paths, NEW.before, NEW.payload_salt);
    RETURN NEW;
END $$;
CREATE TRIGGER halves INSTEAD OF INSERT ON audit_entries FOR EACH ROW EXECUTE FUNCTION audit_entries_insert();
GRANT SELECT, INSERT ON audit_entries TO audit;
GRANT SELECT, INSERT ON audit_entries TO audit_system;
