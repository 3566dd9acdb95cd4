-- Purges: a service deletes archived rows only, whatever its statements say.

GRANT DELETE ON programs TO program;
CREATE POLICY purge ON programs AS RESTRICTIVE FOR DELETE TO program
    USING (archived_at IS NOT NULL);
GRANT DELETE ON datasets TO program;
CREATE POLICY purge ON datasets AS RESTRICTIVE FOR DELETE TO program
    USING (archived_at IS NOT NULL);

-- A row's revisions go with it, by the foreign key: no service may delete them by themselves.
ALTER TABLE programs_revisions DROP CONSTRAINT programs_revisions_id_fkey;
ALTER TABLE programs_revisions ADD CONSTRAINT programs_revisions_id_fkey FOREIGN KEY (organization_id, id)
    REFERENCES programs (organization_id, id) ON DELETE CASCADE;

-- So do a dataset's examples, which nothing else deletes.
ALTER TABLE examples DROP CONSTRAINT examples_dataset_id_fkey;
ALTER TABLE examples ADD CONSTRAINT examples_dataset_id_fkey FOREIGN KEY (organization_id, dataset_id)
    REFERENCES datasets (organization_id, id) ON DELETE CASCADE;
CREATE OR REPLACE FUNCTION examples_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS
    $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            IF NOT EXISTS (SELECT FROM datasets WHERE organization_id = OLD.organization_id AND id = OLD.dataset_id)
                THEN RETURN OLD;
            END IF;
        END IF;
        RAISE EXCEPTION 'rows of examples are never changed and never deleted';
    END $$;
