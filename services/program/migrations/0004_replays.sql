-- What was answered to requests that carry an id, for a day.
CREATE TABLE replays (
    organization_id uuid NOT NULL,
    actor text NOT NULL,
    method text NOT NULL,
    request_id text NOT NULL,
    body_hash bytea NOT NULL,
    response bytea,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, actor, method, request_id)
);
CREATE INDEX replays_recorded_at ON replays (recorded_at);
GRANT SELECT, INSERT, UPDATE ON replays TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON replays TO program_system;
ALTER TABLE replays ENABLE ROW LEVEL SECURITY;
ALTER TABLE replays FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON replays TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON replays TO program_system USING (true) WITH CHECK (true);
