-- Services look through their open grants, of which there are few: one for each run that goes on.
CREATE INDEX grants_open ON grants (service, id) WHERE ended_at IS NULL;
