-- Sign-ins that failed, counted per minute until they are told: guessing must not flood the trail.
CREATE TABLE refusals (
    minute timestamptz NOT NULL,
    address text NOT NULL,
    reason text NOT NULL,
    organization_id uuid,
    api_key_id uuid,
    count bigint NOT NULL,
    CONSTRAINT refusals_key UNIQUE NULLS NOT DISTINCT (minute, address, reason, organization_id, api_key_id)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON refusals TO auth_system;
