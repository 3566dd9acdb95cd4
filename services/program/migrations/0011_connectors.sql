-- Written from the declarations; read it before you keep it.

CREATE TABLE connectors (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    provider text NOT NULL DEFAULT '',
    base_url text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    headers jsonb,
    secret text NOT NULL DEFAULT '',
    limits jsonb,
    timeouts jsonb,
    capabilities jsonb,
    prices jsonb,
    health jsonb,
    status text NOT NULL DEFAULT '',
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX connectors_name_key ON connectors (organization_id, name) WHERE archived_at IS NULL;
CREATE INDEX connectors_created_at ON connectors (organization_id, created_at, id);
CREATE INDEX connectors_status_created_at ON connectors (organization_id, status, created_at);
GRANT SELECT, INSERT, UPDATE ON connectors TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON connectors TO program_system;
ALTER TABLE connectors ENABLE ROW LEVEL SECURITY;
ALTER TABLE connectors FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON connectors TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON connectors TO program_system USING (true) WITH CHECK (true);
CREATE TABLE connector_shares (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    connector_id uuid,
    name text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    limits jsonb,
    weight integer NOT NULL DEFAULT 0,
    status text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    lender_id uuid NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX connector_shares_connector_id_key ON connector_shares (organization_id, connector_id);
CREATE INDEX connector_shares_created_at ON connector_shares (organization_id, created_at, id);
CREATE INDEX connector_shares_name ON connector_shares (organization_id, name);
GRANT SELECT, INSERT, UPDATE ON connector_shares TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON connector_shares TO program_system;
ALTER TABLE connector_shares ENABLE ROW LEVEL SECURITY;
ALTER TABLE connector_shares FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON connector_shares TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON connector_shares TO program_system USING (true) WITH CHECK (true);
CREATE TABLE model_calls (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    connector_id uuid,
    connector text NOT NULL DEFAULT '',
    model text NOT NULL DEFAULT '',
    purpose text NOT NULL DEFAULT '',
    work_id uuid,
    owner_id uuid,
    status text NOT NULL DEFAULT '',
    input_tokens bigint NOT NULL DEFAULT 0,
    cached_input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    reserved_nanos bigint,
    cost_nanos bigint,
    estimated boolean NOT NULL DEFAULT false,
    error_class text NOT NULL DEFAULT '',
    latency_ms double precision NOT NULL DEFAULT 0,
    waited_ms double precision NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    worker text NOT NULL DEFAULT '',
    expected jsonb,
    lender_id uuid,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX model_calls_created_at ON model_calls (organization_id, created_at, id);
CREATE INDEX model_calls_connector_id_created_at ON model_calls (organization_id, connector_id, created_at);
CREATE INDEX model_calls_work_id_created_at ON model_calls (organization_id, work_id, created_at);
CREATE INDEX model_calls_owner_id_created_at ON model_calls (organization_id, owner_id, created_at);
GRANT SELECT, INSERT, UPDATE ON model_calls TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON model_calls TO program_system;
ALTER TABLE model_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE model_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON model_calls TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON model_calls TO program_system USING (true) WITH CHECK (true);


-- The books of metering, for workers alone: no tenant's role reads or writes them.

-- What of a limit has been handed out. The nil UUID stands for everybody together; the window is the month of money, the
-- minute of requests and tokens, and the epoch of calls under way. Of money it is what was spent and what workers hold.
CREATE TABLE model_allowances (
    connector_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    unit text NOT NULL,
    window_start timestamptz NOT NULL,
    drawn bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (connector_id, organization_id, unit, window_start)
);
-- The workers whose reservations and holdings are in force.
CREATE TABLE model_workers (
    worker text PRIMARY KEY,
    lease_until timestamptz NOT NULL
);
-- What workers hold of an allowance and have not spent: it goes back when they stop, or when they have died.
CREATE TABLE model_allotments (
    id uuid PRIMARY KEY,
    worker text NOT NULL,
    connector_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    unit text NOT NULL,
    window_start timestamptz NOT NULL,
    amount bigint NOT NULL
);
CREATE INDEX model_allotments_worker ON model_allotments (worker);
-- Who took what, exactly.
CREATE TABLE connector_usage (
    connector_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    month date NOT NULL,
    model text NOT NULL,
    requests bigint NOT NULL DEFAULT 0,
    failed_requests bigint NOT NULL DEFAULT 0,
    estimated_requests bigint NOT NULL DEFAULT 0,
    unpriced_requests bigint NOT NULL DEFAULT 0,
    input_tokens bigint NOT NULL DEFAULT 0,
    cached_input_tokens bigint NOT NULL DEFAULT 0,
    output_tokens bigint NOT NULL DEFAULT 0,
    cost_nanos bigint NOT NULL DEFAULT 0,
    -- Bytes of the requests whose tokens were counted, and those tokens: what the next reservation is calibrated by.
    counted_bytes bigint NOT NULL DEFAULT 0,
    counted_tokens bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (connector_id, organization_id, month, model)
);
CREATE INDEX model_calls_open ON model_calls (worker) WHERE status = 'STATUS_RESERVED';
GRANT SELECT, INSERT, UPDATE, DELETE ON model_allowances, model_workers, model_allotments, connector_usage TO program_system;

-- Checks and test calls that wait for a worker.
CREATE TABLE connector_probes (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    connector_id uuid NOT NULL,
    owner_id uuid,
    verb text NOT NULL,
    asked jsonb NOT NULL,
    said jsonb,
    request_id text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    lease_owner text NOT NULL DEFAULT '',
    lease_until timestamptz,
    fencing_token bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX connector_probes_open ON connector_probes (created_at) WHERE said IS NULL;
GRANT SELECT, INSERT ON connector_probes TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON connector_probes TO program_system;
ALTER TABLE connector_probes ENABLE ROW LEVEL SECURITY;
ALTER TABLE connector_probes FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON connector_probes TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON connector_probes TO program_system USING (true) WITH CHECK (true);

-- Whether some model calls of an execution have no known price. Rows that are there were priced, if nominally.
ALTER TABLE executions ADD COLUMN cost_incomplete boolean NOT NULL DEFAULT false;
