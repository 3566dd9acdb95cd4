-- The feed moves into daily partitions, with all that it holds.
CREATE TABLE feed_before AS SELECT * FROM feed;
DROP TABLE feed;

-- The numbered feed that others pull: a partition for each day, opened ahead and dropped whole; feed_rest takes what
-- came on a day that nobody opened.
CREATE TABLE feed (
    numbered_on date NOT NULL,
    sequence bigint NOT NULL,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (numbered_on, sequence)
) PARTITION BY RANGE (numbered_on);
CREATE INDEX feed_sequence ON feed (sequence);
CREATE INDEX feed_organization_id_sequence ON feed (organization_id, sequence);
CREATE TABLE feed_rest PARTITION OF feed DEFAULT;
GRANT SELECT, INSERT, DELETE ON feed TO program_system;

-- How far the feed has come, and where what is kept of it begins.
CREATE TABLE feed_head (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    last_sequence bigint NOT NULL DEFAULT 0,
    oldest_sequence bigint NOT NULL DEFAULT 1
);
INSERT INTO feed_head DEFAULT VALUES;
GRANT SELECT, UPDATE ON feed_head TO program_system;

-- Who reads the feed, and how far they have come: nothing is dropped before all have passed.
CREATE TABLE feed_consumers (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON feed_consumers TO program_system;

-- Opens today's partition and those of the next days; what came before its partition was opened moves into it.
CREATE FUNCTION feed_open(days integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    today date := (now() AT TIME ZONE 'utc')::date;
    day date;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':feed'));
    FOR day IN SELECT today + n FROM generate_series(0, days) AS n LOOP
        part := 'feed_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        -- Nothing may be numbered into feed_rest between its emptying and the new partition's taking its place.
        LOCK TABLE feed IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('CREATE TABLE %I (LIKE feed)', part);
        EXECUTE format('WITH moved AS (DELETE FROM feed_rest WHERE numbered_on = %L RETURNING *)
                        INSERT INTO %I SELECT * FROM moved', day, part);
        EXECUTE format('ALTER TABLE feed ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, day, day + 1);
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION feed_open FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_open TO program_system;

-- Drops the days that are older than so many and that every consumer has passed; returns how many partitions went.
CREATE FUNCTION feed_drop(days integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
    SET search_path FROM CURRENT AS $$
DECLARE
    first_kept date := (now() AT TIME ZONE 'utc')::date - days;
    passed bigint;
    part text;
    newest bigint;
    gone integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext(current_schema || ':feed'));
    SELECT coalesce(min(c.sequence), max(h.last_sequence)) INTO passed
    FROM feed_head h LEFT JOIN feed_consumers c ON true;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'feed'::regclass AND c.relname ~ '^feed_[0-9]{8}$'
              AND to_date(right(c.relname, 8), 'YYYYMMDD') < first_kept
        ORDER BY c.relname
    LOOP
        EXECUTE format('SELECT max(sequence) FROM %I', part) INTO newest;
        CONTINUE WHEN newest > passed;
        EXECUTE format('DROP TABLE %I', part);
        gone := gone + 1;
    END LOOP;
    DELETE FROM feed_rest WHERE numbered_on < first_kept AND sequence <= passed;
    UPDATE feed_head SET oldest_sequence = coalesce((SELECT min(f.sequence) FROM feed f), last_sequence + 1);
    RETURN gone;
END $$;
REVOKE ALL ON FUNCTION feed_drop FROM PUBLIC;
GRANT EXECUTE ON FUNCTION feed_drop TO program_system;

INSERT INTO feed (numbered_on, sequence, organization_id, event, recorded_at)
SELECT (recorded_at AT TIME ZONE 'utc')::date, sequence, organization_id, event, recorded_at FROM feed_before;
UPDATE feed_head SET last_sequence = coalesce((SELECT max(sequence) FROM feed_before), 0),
                     oldest_sequence = coalesce((SELECT min(sequence) FROM feed_before), 1);
DROP TABLE feed_before;
