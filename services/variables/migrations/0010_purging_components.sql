-- Components are purged as all that is archived: the service deletes archived rows only.
GRANT DELETE ON components TO variables;
CREATE POLICY purge ON components AS RESTRICTIVE FOR DELETE TO variables
    USING (archived_at IS NOT NULL);
