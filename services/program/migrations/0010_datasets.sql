-- Datasets have hashed revisions and a rule for splits; examples know what they belong together with, and what they
-- duplicate. Those of before know neither.

ALTER TABLE datasets ADD COLUMN content_hash text NOT NULL DEFAULT '';
ALTER TABLE datasets ADD COLUMN split_rule jsonb;
CREATE TABLE dataset_revisions (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    dataset_id uuid,
    revision bigint NOT NULL DEFAULT 0,
    content_hash text NOT NULL DEFAULT '',
    added_count bigint NOT NULL DEFAULT 0,
    train_count bigint NOT NULL DEFAULT 0,
    validation_count bigint NOT NULL DEFAULT 0,
    test_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    lock_version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (organization_id, id),
    CONSTRAINT dataset_revisions_dataset_id_fkey FOREIGN KEY (organization_id, dataset_id) REFERENCES datasets (organization_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX dataset_revisions_dataset_id_revision_key ON dataset_revisions (organization_id, dataset_id, revision);
CREATE INDEX dataset_revisions_created_at ON dataset_revisions (organization_id, created_at, id);
GRANT SELECT, INSERT ON dataset_revisions TO program;
GRANT SELECT, INSERT ON dataset_revisions TO program_system;
ALTER TABLE dataset_revisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE dataset_revisions FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON dataset_revisions TO program USING (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid) WITH CHECK (organization_id = NULLIF(current_setting('app.organization_id', true), '')::uuid);
CREATE POLICY system ON dataset_revisions TO program_system USING (true) WITH CHECK (true);
CREATE FUNCTION dataset_revisions_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            IF NOT EXISTS (SELECT FROM datasets WHERE organization_id = OLD.organization_id AND id = OLD.dataset_id) THEN RETURN OLD; END IF;
        END IF;
        RAISE EXCEPTION 'rows of dataset_revisions are never changed and never deleted'; END $$;
CREATE TRIGGER frozen_rows BEFORE UPDATE OR DELETE ON dataset_revisions FOR EACH ROW EXECUTE FUNCTION dataset_revisions_refuse();
CREATE TRIGGER frozen_table BEFORE TRUNCATE ON dataset_revisions FOR EACH STATEMENT EXECUTE FUNCTION dataset_revisions_refuse();
ALTER TABLE examples ADD COLUMN group_key text NOT NULL DEFAULT '';
ALTER TABLE examples ADD COLUMN content_key text NOT NULL DEFAULT '';
CREATE INDEX examples_dataset_id_content_key ON examples (organization_id, dataset_id, content_key);
