-- Purges: a service deletes archived rows only, whatever its statements say.

GRANT DELETE ON variable_spaces TO variables;
CREATE POLICY purge ON variable_spaces AS RESTRICTIVE FOR DELETE TO variables
    USING (archived_at IS NOT NULL);
GRANT DELETE ON variable_configurations TO variables;
CREATE POLICY purge ON variable_configurations AS RESTRICTIVE FOR DELETE TO variables
    USING (archived_at IS NOT NULL);

-- A row's revisions go with it, by the foreign key: no service may delete them by themselves.
ALTER TABLE variable_spaces_revisions DROP CONSTRAINT variable_spaces_revisions_id_fkey;
ALTER TABLE variable_spaces_revisions ADD CONSTRAINT variable_spaces_revisions_id_fkey FOREIGN KEY (organization_id, id)
    REFERENCES variable_spaces (organization_id, id) ON DELETE CASCADE;
