-- The schema of the program service, as its declarations derive it.

CREATE TABLE programs (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    type text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    signature_config jsonb,
    program_config jsonb,
    performance_metrics jsonb,
    variable_space_id uuid,
    parent_program_id uuid,
    visibility text NOT NULL DEFAULT '',
    owner_id uuid,
    revision bigint NOT NULL DEFAULT 0,
    content_hash text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT programs_parent_program_id_fkey FOREIGN KEY (organization_id, parent_program_id) REFERENCES programs (organization_id, id)
);
CREATE UNIQUE INDEX programs_owner_id_name_key ON programs (organization_id, owner_id, name) WHERE archived_at IS NULL;
CREATE INDEX programs_created_at ON programs (organization_id, created_at, id);
CREATE INDEX programs_status_created_at ON programs (organization_id, status, created_at);
CREATE INDEX programs_owner_id_created_at ON programs (organization_id, owner_id, created_at);
GRANT SELECT, INSERT, UPDATE ON programs TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON programs TO program_system;
ALTER TABLE programs ENABLE ROW LEVEL SECURITY;
ALTER TABLE programs FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON programs TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON programs TO program_system USING (true) WITH CHECK (true);
CREATE TABLE programs_revisions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    revision bigint NOT NULL,
    content jsonb NOT NULL,
    content_hash text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id, revision),
    CONSTRAINT programs_revisions_id_fkey FOREIGN KEY (organization_id, id)
        REFERENCES programs (organization_id, id)
);
GRANT SELECT, INSERT, UPDATE ON programs_revisions TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON programs_revisions TO program_system;
ALTER TABLE programs_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE programs_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON programs_revisions TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON programs_revisions TO program_system USING (true) WITH CHECK (true);
CREATE TABLE datasets (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    status text NOT NULL DEFAULT '',
    input_fields jsonb,
    output_fields jsonb,
    train_count bigint NOT NULL DEFAULT 0,
    validation_count bigint NOT NULL DEFAULT 0,
    test_count bigint NOT NULL DEFAULT 0,
    owner_id uuid,
    revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    visibility text NOT NULL DEFAULT '',
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX datasets_owner_id_name_key ON datasets (organization_id, owner_id, name) WHERE archived_at IS NULL;
CREATE INDEX datasets_created_at ON datasets (organization_id, created_at, id);
CREATE INDEX datasets_status_created_at ON datasets (organization_id, status, created_at);
CREATE INDEX datasets_owner_id_created_at ON datasets (organization_id, owner_id, created_at);
GRANT SELECT, INSERT, UPDATE ON datasets TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON datasets TO program_system;
ALTER TABLE datasets ENABLE ROW LEVEL SECURITY;
ALTER TABLE datasets FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON datasets TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON datasets TO program_system USING (true) WITH CHECK (true);
CREATE TABLE examples (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    dataset_id uuid,
    split text NOT NULL DEFAULT '',
    inputs jsonb,
    outputs jsonb,
    position bigint NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT examples_dataset_id_fkey FOREIGN KEY (organization_id, dataset_id) REFERENCES datasets (organization_id, id)
);
CREATE INDEX examples_created_at ON examples (organization_id, created_at, id);
CREATE INDEX examples_dataset_id_created_at ON examples (organization_id, dataset_id, created_at);
GRANT SELECT, INSERT ON examples TO program;
GRANT SELECT, INSERT ON examples TO program_system;
ALTER TABLE examples ENABLE ROW LEVEL SECURITY;
ALTER TABLE examples FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON examples TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON examples TO program_system USING (true) WITH CHECK (true);
CREATE FUNCTION examples_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of examples are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON examples FOR EACH ROW EXECUTE FUNCTION examples_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON examples FOR EACH STATEMENT EXECUTE FUNCTION examples_refuse();
CREATE TABLE executions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    program_id uuid,
    program_revision bigint NOT NULL DEFAULT 0,
    inputs jsonb,
    configuration jsonb,
    outputs jsonb,
    status text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    latency_ms double precision NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    dataset_id uuid,
    lock_version bigint NOT NULL DEFAULT 1,
    lease_owner text NOT NULL DEFAULT '',
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    request_id text NOT NULL DEFAULT '',
    seed bigint NOT NULL DEFAULT 0,
    dataset_revision bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT executions_program_id_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
    CONSTRAINT executions_dataset_id_fkey FOREIGN KEY (organization_id, dataset_id) REFERENCES datasets (organization_id, id)
);
CREATE INDEX executions_created_at ON executions (organization_id, created_at, id);
CREATE INDEX executions_program_id_created_at ON executions (organization_id, program_id, created_at);
GRANT SELECT, INSERT, UPDATE ON executions TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON executions TO program_system;
ALTER TABLE executions ENABLE ROW LEVEL SECURITY;
ALTER TABLE executions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON executions TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON executions TO program_system USING (true) WITH CHECK (true);
CREATE TABLE evaluations (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    program_id uuid,
    program_revision bigint NOT NULL DEFAULT 0,
    dataset_id uuid,
    dataset_revision bigint NOT NULL DEFAULT 0,
    split text NOT NULL DEFAULT '',
    configuration jsonb,
    metrics jsonb,
    seed bigint NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    scores jsonb,
    example_count bigint NOT NULL DEFAULT 0,
    finished_count bigint NOT NULL DEFAULT 0,
    failed_count bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    mean_latency_ms double precision NOT NULL DEFAULT 0,
    run_id uuid,
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    lease_owner text NOT NULL DEFAULT '',
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    request_id text NOT NULL DEFAULT '',
    attached_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, id),
    CONSTRAINT evaluations_program_id_fkey FOREIGN KEY (organization_id, program_id) REFERENCES programs (organization_id, id),
    CONSTRAINT evaluations_dataset_id_fkey FOREIGN KEY (organization_id, dataset_id) REFERENCES datasets (organization_id, id)
);
CREATE INDEX evaluations_created_at ON evaluations (organization_id, created_at, id);
CREATE INDEX evaluations_program_id_created_at ON evaluations (organization_id, program_id, created_at);
CREATE INDEX evaluations_run_id_created_at ON evaluations (organization_id, run_id, created_at);
GRANT SELECT, INSERT, UPDATE ON evaluations TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON evaluations TO program_system;
ALTER TABLE evaluations ENABLE ROW LEVEL SECURITY;
ALTER TABLE evaluations FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON evaluations TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON evaluations TO program_system USING (true) WITH CHECK (true);
CREATE TABLE evaluation_results (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    evaluation_id uuid,
    sequence bigint NOT NULL DEFAULT 0,
    example_id uuid,
    repeat bigint NOT NULL DEFAULT 0,
    outputs jsonb,
    scores jsonb,
    error text NOT NULL DEFAULT '',
    latency_ms double precision NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_micros bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT evaluation_results_evaluation_id_fkey FOREIGN KEY (organization_id, evaluation_id) REFERENCES evaluations (organization_id, id),
    CONSTRAINT evaluation_results_example_id_fkey FOREIGN KEY (organization_id, example_id) REFERENCES examples (organization_id, id)
);
CREATE UNIQUE INDEX evaluation_results_evaluation_id_example_id_repeat_key ON evaluation_results (organization_id, evaluation_id, example_id, repeat);
CREATE UNIQUE INDEX evaluation_results_evaluation_id_sequence_key ON evaluation_results (organization_id, evaluation_id, sequence);
CREATE INDEX evaluation_results_created_at ON evaluation_results (organization_id, created_at, id);
GRANT SELECT, INSERT ON evaluation_results TO program;
GRANT SELECT, INSERT ON evaluation_results TO program_system;
ALTER TABLE evaluation_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE evaluation_results FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON evaluation_results TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON evaluation_results TO program_system USING (true) WITH CHECK (true);
CREATE FUNCTION evaluation_results_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of evaluation_results are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON evaluation_results FOR EACH ROW EXECUTE FUNCTION evaluation_results_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON evaluation_results FOR EACH STATEMENT EXECUTE FUNCTION evaluation_results_refuse();

-- Unnumbered, in the transaction of the write; the sequencer numbers what has committed.
CREATE TABLE outbox (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);
GRANT INSERT ON outbox TO program;
GRANT SELECT, INSERT, DELETE ON outbox TO program_system;

-- The numbered feed that other services pull.
CREATE TABLE feed (
    sequence bigint PRIMARY KEY,
    organization_id uuid,
    event jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
GRANT SELECT, INSERT, DELETE ON feed TO program_system;

-- How far this service has read the feeds of others.
CREATE TABLE cursors (
    consumer text PRIMARY KEY,
    sequence bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON cursors TO program_system;

