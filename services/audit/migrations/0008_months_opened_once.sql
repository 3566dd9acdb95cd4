-- Two who wrote the first entries of a month at once could both find that it was not open, and one of them failed.
CREATE OR REPLACE FUNCTION audit_entries_open(instant timestamptz) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    month timestamp := date_trunc('month', instant AT TIME ZONE 'utc');
    part text := 'audit_entries_droppable_' || to_char(month, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':audit_entries'));
    -- Asked as rows are: what to_regclass remembers may be older than whoever had the lock before.
    IF NOT EXISTS (SELECT FROM pg_class WHERE relname = part AND relnamespace = current_schema::regnamespace) THEN
        EXECUTE format('CREATE TABLE %I (LIKE audit_entries_droppable INCLUDING DEFAULTS)', part);
        EXECUTE format('ALTER TABLE audit_entries_droppable ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part,
                       month AT TIME ZONE 'utc', (month + interval '1 month') AT TIME ZONE 'utc');
    END IF;
END $$;
