-- An invitation for an address that looks like a colleague's is refused when it is made.
ALTER TABLE invitations ADD COLUMN email_shape text NOT NULL
    GENERATED ALWAYS AS (replace(replace(translate(lower(email), '01', 'ol'), 'rn', 'm'), 'vv', 'w')) STORED;
