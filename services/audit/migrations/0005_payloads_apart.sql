-- What entries tell beyond their headers moves into months of its own, which retention can drop; links stay for ever.
-- Expand: everything new is here beside what was, and whoever still writes the old way is right; 0006 contracts.

ALTER TABLE audit_entries NO FORCE ROW LEVEL SECURITY;
-- Generated for the entries that are there and for those that old processes still write.
ALTER TABLE audit_entries
    ADD COLUMN payload_digest text NOT NULL GENERATED ALWAYS AS (encode(sha256(salt || payload), 'hex')) STORED,
    ADD COLUMN chain text NOT NULL GENERATED ALWAYS AS (organization_id::text) STORED;
ALTER TABLE audit_checkpoints
    ADD COLUMN chain text NOT NULL GENERATED ALWAYS AS (organization_id::text) STORED;

CREATE TABLE audit_entries_droppable (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    created_at timestamptz NOT NULL,
    data jsonb,
    changed_paths jsonb,
    before jsonb,
    payload_salt text,
    PRIMARY KEY (organization_id, id, created_at)
) PARTITION BY RANGE (created_at);
GRANT SELECT, INSERT ON audit_entries_droppable TO audit;
GRANT SELECT, INSERT ON audit_entries_droppable TO audit_system;
CREATE POLICY tenant ON audit_entries_droppable TO audit USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON audit_entries_droppable TO audit_system USING (true) WITH CHECK (true);

-- Opens the partition of a month; the first row of a month asks for it.
CREATE FUNCTION audit_entries_open(instant timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    month timestamp := date_trunc('month', instant AT TIME ZONE 'utc');
    part text := 'audit_entries_droppable_' || to_char(month, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':audit_entries'));
    IF to_regclass(part) IS NULL THEN
        EXECUTE format('CREATE TABLE %I (LIKE audit_entries_droppable INCLUDING DEFAULTS)', part);
        EXECUTE format('ALTER TABLE audit_entries_droppable ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
                       month AT TIME ZONE 'utc', (month + interval '1 month') AT TIME ZONE 'utc');
    END IF;
END $$;
REVOKE ALL ON FUNCTION audit_entries_open FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_entries_open TO audit, audit_system;

SELECT audit_entries_open(month AT TIME ZONE 'utc') FROM (
    SELECT DISTINCT date_trunc('month', created_at AT TIME ZONE 'utc') AS month FROM audit_entries
) AS months;
INSERT INTO audit_entries_droppable (organization_id, id, created_at, data, changed_paths, before, payload_salt)
SELECT organization_id, id, created_at, data, changed_paths, before, encode(salt, 'hex') FROM audit_entries;
ALTER TABLE audit_entries FORCE ROW LEVEL SECURITY;
ALTER TABLE audit_entries_droppable ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_entries_droppable FORCE ROW LEVEL SECURITY;
