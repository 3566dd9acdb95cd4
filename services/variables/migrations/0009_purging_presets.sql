-- Presets are purged as all that is archived: the service deletes archived rows only.
GRANT DELETE ON variable_presets TO variables;
CREATE POLICY purge ON variable_presets AS RESTRICTIVE FOR DELETE TO variables
    USING (archived_at IS NOT NULL);
