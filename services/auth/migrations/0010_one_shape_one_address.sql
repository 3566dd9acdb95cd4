-- Addresses that are one in any case have one shape: its index is enough.
DROP INDEX users_email_key_key;
