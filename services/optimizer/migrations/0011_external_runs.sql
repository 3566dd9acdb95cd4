-- Runs whose trials clients evaluate: they act in their own names, hold trials under leases, and report.
ALTER TABLE optimization_runs ADD COLUMN evaluator text NOT NULL DEFAULT '';
UPDATE optimization_runs SET evaluator = 'EVALUATOR_MANAGED';
ALTER TABLE optimization_runs ALTER COLUMN grant_id DROP NOT NULL;
ALTER TABLE trials ADD COLUMN client text NOT NULL DEFAULT '';
ALTER TABLE trials ADD COLUMN lease_until timestamptz;
ALTER TABLE trials ADD COLUMN lease_seconds integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN finish_number integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN informed_count integer NOT NULL DEFAULT 0;
ALTER TABLE trials ADD COLUMN infeasible boolean NOT NULL DEFAULT false;
CREATE INDEX trials_optimization_run_id_status ON trials (organization_id, optimization_run_id, status);
CREATE INDEX trials_optimization_run_id_finish_number ON trials (organization_id, optimization_run_id, finish_number);

-- The space of an external run as it was when the run was made.
CREATE TABLE run_spaces (
    organization_id uuid NOT NULL,
    run_id uuid NOT NULL,
    variables jsonb NOT NULL,
    constraints jsonb NOT NULL,
    pool jsonb,
    PRIMARY KEY (organization_id, run_id),
    CONSTRAINT run_spaces_run_id_fkey FOREIGN KEY (organization_id, run_id)
        REFERENCES optimization_runs (organization_id, id)
);
GRANT SELECT, INSERT ON run_spaces TO optimizer;
GRANT SELECT ON run_spaces TO optimizer_system;

-- What clients report from the middle of a trial, by step.
CREATE TABLE trial_measurements (
    organization_id uuid NOT NULL,
    trial_id uuid NOT NULL,
    step bigint NOT NULL,
    reported jsonb NOT NULL,
    PRIMARY KEY (organization_id, trial_id, step),
    CONSTRAINT trial_measurements_trial_id_fkey FOREIGN KEY (organization_id, trial_id)
        REFERENCES trials (organization_id, id)
);
GRANT SELECT, INSERT, UPDATE (reported) ON trial_measurements TO optimizer;
GRANT SELECT ON trial_measurements TO optimizer_system;

-- The examples that clients report of a trial, each once, in the order in which they came.
CREATE TABLE trial_examples (
    organization_id uuid NOT NULL,
    trial_id uuid NOT NULL,
    example_id text NOT NULL,
    repeat integer NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    tokens bigint NOT NULL,
    cost_micros bigint NOT NULL,
    reported jsonb NOT NULL,
    PRIMARY KEY (organization_id, trial_id, example_id, repeat),
    CONSTRAINT trial_examples_trial_id_fkey FOREIGN KEY (organization_id, trial_id)
        REFERENCES trials (organization_id, id)
);
GRANT SELECT, INSERT ON trial_examples TO optimizer;
GRANT SELECT ON trial_examples TO optimizer_system;

ALTER TABLE run_spaces ENABLE ROW LEVEL SECURITY;
ALTER TABLE run_spaces FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON run_spaces TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON run_spaces TO optimizer_system USING (true) WITH CHECK (true);

ALTER TABLE trial_measurements ENABLE ROW LEVEL SECURITY;
ALTER TABLE trial_measurements FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trial_measurements TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON trial_measurements TO optimizer_system USING (true) WITH CHECK (true);

ALTER TABLE trial_examples ENABLE ROW LEVEL SECURITY;
ALTER TABLE trial_examples FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trial_examples TO optimizer
    USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid)
    WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON trial_examples TO optimizer_system USING (true) WITH CHECK (true);
