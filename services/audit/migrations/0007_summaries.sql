-- What the trail keeps as a count and a digest a minute, until its minute is over and it becomes an entry.
CREATE TABLE audit_summaries (
    organization_id uuid NOT NULL,
    source text NOT NULL,
    type text NOT NULL,
    action text NOT NULL,
    outcome text NOT NULL,
    actor jsonb NOT NULL,
    minute timestamptz NOT NULL,
    count bigint NOT NULL,
    digest text NOT NULL,
    first_source_sequence bigint NOT NULL,
    last_source_sequence bigint NOT NULL,
    first_occurred_at timestamptz NOT NULL,
    last_occurred_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, source, type, action, outcome, actor, minute)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON audit_summaries TO audit_system;
