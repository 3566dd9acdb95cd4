-- A run's story: numbered from 1 without gaps, written with the state that it tells, never changed.
CREATE TABLE run_events (
    organization_id uuid NOT NULL,
    run_id uuid NOT NULL,
    sequence bigint NOT NULL,
    status text NOT NULL,
    event jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, run_id, sequence),
    CONSTRAINT run_events_run_id_fkey FOREIGN KEY (organization_id, run_id)
        REFERENCES optimization_runs (organization_id, id)
);
GRANT SELECT, INSERT ON run_events TO optimizer;
GRANT SELECT, INSERT ON run_events TO optimizer_system;
ALTER TABLE run_events ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_events FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON run_events TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON run_events TO optimizer_system USING (true) WITH CHECK (true);

-- Who may see which program, as the program service's feed tells.
CREATE TABLE program_access (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    visibility text NOT NULL,
    archived boolean NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (organization_id, id)
);
GRANT SELECT ON program_access TO optimizer;
GRANT SELECT, INSERT, UPDATE ON program_access TO optimizer_system;
ALTER TABLE program_access ENABLE ROW LEVEL SECURITY;
ALTER TABLE program_access FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON program_access TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON program_access TO optimizer_system USING (true) WITH CHECK (true);
