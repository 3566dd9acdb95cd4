-- What an execution did on its way, and whether it is told as it goes.
ALTER TABLE executions
    ADD COLUMN streamed boolean NOT NULL DEFAULT false,
    ADD COLUMN steps jsonb,
    ADD COLUMN steps_left_out bigint NOT NULL DEFAULT 0;
-- What is told meanwhile: lost in a crash, as the call is that it tells of, and gone a minute after the end.
CREATE UNLOGGED TABLE execution_pieces (
    organization_id uuid NOT NULL,
    execution_id uuid NOT NULL,
    sequence bigint NOT NULL,
    piece jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, execution_id, sequence)
);
GRANT SELECT ON execution_pieces TO program;
GRANT SELECT, INSERT, UPDATE, DELETE ON execution_pieces TO program_system;
ALTER TABLE execution_pieces ENABLE ROW LEVEL SECURITY;
ALTER TABLE execution_pieces FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON execution_pieces TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON execution_pieces TO program_system USING (true) WITH CHECK (true);
