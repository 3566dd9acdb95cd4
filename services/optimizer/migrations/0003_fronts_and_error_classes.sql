-- The front of a run is kept with the run; its points and its history have tables of their own.
ALTER TABLE optimization_runs
    ADD COLUMN front_version bigint NOT NULL DEFAULT 0,
    ADD COLUMN hypervolume double precision,
    ADD COLUMN evicted_count bigint NOT NULL DEFAULT 0;

-- A trial that failed says what kind of failure it was.
ALTER TABLE trials ADD COLUMN error_class text NOT NULL DEFAULT '';

-- The trials that are or were on a run's front. Rows stay, so the front is known as it was at every version.
CREATE TABLE pareto_points (
    organization_id uuid NOT NULL,
    run_id uuid NOT NULL,
    trial_number integer NOT NULL,
    trial_id uuid NOT NULL,
    objectives jsonb NOT NULL,
    since_version bigint NOT NULL,
    until_version bigint,
    PRIMARY KEY (organization_id, run_id, trial_number),
    CONSTRAINT pareto_points_trial_id_fkey FOREIGN KEY (organization_id, trial_id)
        REFERENCES trials (organization_id, id)
);
CREATE INDEX pareto_points_current ON pareto_points (organization_id, run_id) WHERE until_version IS NULL;
GRANT SELECT, INSERT, UPDATE (until_version) ON pareto_points TO optimizer;
GRANT SELECT, INSERT, UPDATE (until_version) ON pareto_points TO optimizer_system;
ALTER TABLE pareto_points ENABLE ROW LEVEL SECURITY;
ALTER TABLE pareto_points FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pareto_points TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON pareto_points TO optimizer_system USING (true) WITH CHECK (true);

-- Every change of a run's front, numbered from 1 without gaps, never changed.
CREATE TABLE pareto_versions (
    organization_id uuid NOT NULL,
    run_id uuid NOT NULL,
    version bigint NOT NULL,
    trial_number integer NOT NULL,
    size integer NOT NULL,
    hypervolume double precision,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, run_id, version),
    CONSTRAINT pareto_versions_run_id_fkey FOREIGN KEY (organization_id, run_id)
        REFERENCES optimization_runs (organization_id, id)
);
GRANT SELECT, INSERT ON pareto_versions TO optimizer;
GRANT SELECT, INSERT ON pareto_versions TO optimizer_system;
ALTER TABLE pareto_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE pareto_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON pareto_versions TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON pareto_versions TO optimizer_system USING (true) WITH CHECK (true);
