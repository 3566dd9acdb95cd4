-- Spaces have lineage and metadata of their own; configurations say what they were made from, and are kept once.
ALTER TABLE variable_spaces ADD COLUMN parent_variable_space_id uuid;
ALTER TABLE variable_spaces ADD COLUMN parent_revision bigint NOT NULL DEFAULT 0;
ALTER TABLE variable_spaces ADD COLUMN metadata jsonb;
ALTER TABLE variable_configurations ADD COLUMN parent_ids jsonb;
ALTER TABLE variable_configurations ADD COLUMN optimization_run_id uuid;
ALTER TABLE variable_configurations ADD COLUMN trial_id uuid;
-- Of configurations that say the same, the first stays in use; the owner sees every organization's for it.
ALTER TABLE variable_configurations NO FORCE ROW LEVEL SECURITY;
UPDATE variable_configurations twin SET archived_at = now(), status = 'STATUS_ARCHIVED', lock_version = lock_version + 1
    WHERE archived_at IS NULL AND EXISTS (
        SELECT FROM variable_configurations first
        WHERE first.organization_id = twin.organization_id AND first.variable_space_id = twin.variable_space_id
            AND first.variable_space_revision = twin.variable_space_revision
            AND first.content_hash = twin.content_hash AND first.archived_at IS NULL AND first.id < twin.id);
ALTER TABLE variable_configurations FORCE ROW LEVEL SECURITY;
CREATE UNIQUE INDEX variable_configurations_variable_space_id_variable_space_revision_content_hash_key ON variable_configurations (organization_id, variable_space_id, variable_space_revision, content_hash) WHERE archived_at IS NULL;
CREATE TABLE components (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL DEFAULT '',
    version text NOT NULL DEFAULT '',
    reference text NOT NULL DEFAULT '',
    interface text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    capabilities jsonb,
    compatibility jsonb,
    slots jsonb,
    metadata jsonb,
    status text NOT NULL DEFAULT '',
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz,
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX components_reference_key ON components (organization_id, reference) WHERE archived_at IS NULL;
CREATE INDEX components_created_at ON components (organization_id, created_at, id);
CREATE INDEX components_interface_created_at ON components (organization_id, interface, created_at);
GRANT SELECT, INSERT, UPDATE ON components TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON components TO variables_system;
ALTER TABLE components ENABLE ROW LEVEL SECURITY;
ALTER TABLE components FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON components TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON components TO variables_system USING (true) WITH CHECK (true);
CREATE TABLE built_in_components (
    id uuid NOT NULL,
    reference text NOT NULL DEFAULT '',
    interface text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    capabilities jsonb,
    compatibility jsonb,
    slots jsonb,
    metadata jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (id)
);
CREATE UNIQUE INDEX built_in_components_reference_key ON built_in_components (reference);
CREATE INDEX built_in_components_created_at ON built_in_components (created_at, id);
GRANT SELECT, INSERT, UPDATE ON built_in_components TO variables;
GRANT SELECT, INSERT, UPDATE, DELETE ON built_in_components TO variables_system;
CREATE TABLE prompt_values (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    variable_space_id uuid,
    reference text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT '',
    content jsonb,
    token_count bigint NOT NULL DEFAULT 0,
    optimization_run_id uuid,
    provenance jsonb,
    visibility text NOT NULL DEFAULT '',
    owner_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT prompt_values_variable_space_id_fkey FOREIGN KEY (organization_id, variable_space_id) REFERENCES variable_spaces (organization_id, id)
);
CREATE UNIQUE INDEX prompt_values_owner_id_variable_space_id_reference_key ON prompt_values (organization_id, owner_id, variable_space_id, reference);
CREATE INDEX prompt_values_created_at ON prompt_values (organization_id, created_at, id);
CREATE INDEX prompt_values_variable_space_id_reference ON prompt_values (organization_id, variable_space_id, reference);
GRANT SELECT, INSERT ON prompt_values TO variables;
GRANT SELECT, INSERT ON prompt_values TO variables_system;
ALTER TABLE prompt_values ENABLE ROW LEVEL SECURITY;
ALTER TABLE prompt_values FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON prompt_values TO variables USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON prompt_values TO variables_system USING (true) WITH CHECK (true);
CREATE FUNCTION prompt_values_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'rows of prompt_values are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON prompt_values FOR EACH ROW EXECUTE FUNCTION prompt_values_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON prompt_values FOR EACH STATEMENT EXECUTE FUNCTION prompt_values_refuse();
-- What the program service really runs: its kinds of reasoning with their slots, and DSPy's own adapter.
INSERT INTO built_in_components (id, reference, interface, description, capabilities, compatibility, slots, metadata) VALUES
    ('01970000-0000-7000-8000-000000000001', 'predict', 'reasoning', 'One call of the model, from inputs to outputs.',
     '["text"]', '[]', '{"main": "self"}', '{"complexity": 1, "token_multiplier": 1}'),
    ('01970000-0000-7000-8000-000000000002', 'chain_of_thought', 'reasoning',
     'One call of the model, which reasons before it answers.',
     '["text", "reasoning"]', '[]', '{"main": "predict"}', '{"complexity": 3, "token_multiplier": 2.5}'),
    ('01970000-0000-7000-8000-000000000003', 'chat', 'adapter', 'Fields under headings, in turns of a chat.',
     '["text"]', '[]', '{}', '{"output_formats": ["text"]}');
