-- The schema of the optimizer service, as its declarations derive it.

CREATE TABLE optimization_runs (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    program_id uuid,
    program_revision bigint NOT NULL DEFAULT 0,
    variable_space_id uuid,
    variable_space_revision bigint NOT NULL DEFAULT 0,
    dataset_id uuid,
    dataset_revision bigint NOT NULL DEFAULT 0,
    strategy text NOT NULL DEFAULT '',
    objectives jsonb,
    max_trials integer NOT NULL DEFAULT 0,
    parallelism integer NOT NULL DEFAULT 0,
    seed bigint NOT NULL DEFAULT 0,
    schedule text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    completed_trials integer NOT NULL DEFAULT 0,
    failed_trials integer NOT NULL DEFAULT 0,
    best_trial_id uuid,
    best_objectives jsonb,
    best_configuration jsonb,
    last_sequence bigint NOT NULL DEFAULT 0,
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    lease_owner text NOT NULL DEFAULT '',
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    grant_id uuid NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX optimization_runs_created_at ON optimization_runs (organization_id, created_at, id);
CREATE INDEX optimization_runs_program_id_created_at ON optimization_runs (organization_id, program_id, created_at);
CREATE INDEX optimization_runs_status_created_at ON optimization_runs (organization_id, status, created_at);
GRANT SELECT, INSERT, UPDATE ON optimization_runs TO optimizer;
GRANT SELECT, INSERT, UPDATE, DELETE ON optimization_runs TO optimizer_system;
ALTER TABLE optimization_runs ENABLE ROW LEVEL SECURITY;
ALTER TABLE optimization_runs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON optimization_runs TO optimizer USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON optimization_runs TO optimizer_system USING (true) WITH CHECK (true);
CREATE TABLE trials (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    optimization_run_id uuid,
    number integer NOT NULL DEFAULT 0,
    configuration jsonb,
    content_hash text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    objectives jsonb,
    evaluation_id uuid,
    error text NOT NULL DEFAULT '',
    informed_by jsonb,
    pending_then jsonb,
    sampler_version text NOT NULL DEFAULT '',
    seed bigint NOT NULL DEFAULT 0,
    finished_count bigint NOT NULL DEFAULT 0,
    example_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT trials_optimization_run_id_fkey FOREIGN KEY (organization_id, optimization_run_id) REFERENCES optimization_runs (organization_id, id)
);
CREATE UNIQUE INDEX trials_optimization_run_id_number_key ON trials (organization_id, optimization_run_id, number);
CREATE INDEX trials_created_at ON trials (organization_id, created_at, id);
GRANT SELECT, INSERT, UPDATE ON trials TO optimizer;
GRANT SELECT, INSERT, UPDATE, DELETE ON trials TO optimizer_system;
ALTER TABLE trials ENABLE ROW LEVEL SECURITY;
ALTER TABLE trials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON trials TO optimizer USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON trials TO optimizer_system USING (true) WITH CHECK (true);

-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO optimizer;
GRANT SELECT, INSERT, DELETE ON outbox TO optimizer_system;

-- The numbered feed that other services pull.
CREATE TABLE feed (
    sequence bigint PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON feed TO optimizer_system;

-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO optimizer_system;

